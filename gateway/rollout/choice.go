package rollout

// The words in a canary's header that force the choice.
const (
	Always = "always" // to the canary
	Never  = "never"  // to the stable variant
)

// Choice decides between a route's stable variant and its canary.
type Choice struct {
	header string // "" = nothing can force the choice
	split  *Split
}

// NewChoice gives the canary percent of the requests, and those whose header says so. An empty header forces nothing.
func NewChoice(percent float64, header string) *Choice {
	return &Choice{header: header, split: NewSplit(percent)}
}

// Header is the name of the header whose value [Choice.Canary] wants to see; "" = none.
func (c *Choice) Header() string { return c.header }

// Canary reports whether the request goes to the canary. forced is the value of the request's header; any value but
// "always" and "never" leaves it to the split. Forced requests do not count towards the canary's share.
func (c *Choice) Canary(forced []byte) bool {
	if canary, yes := c.Forced(forced); yes {
		return canary
	}
	return c.split.Take()
}

// Forced reports where that value of the request's header sends it, and whether it forces anything.
func (c *Choice) Forced(value []byte) (canary, yes bool) {
	switch string(value) {
	case Always:
		return true, true
	case Never:
		return false, true
	}
	return false, false
}

// Next reports whether the next request that nothing forces would go to the canary, without counting as one.
func (c *Choice) Next() bool { return c.split.Next() }
