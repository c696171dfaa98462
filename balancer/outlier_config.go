package balancer

import "time"

// OutlierConfig says when a node that is slower than the other nodes of its pool, or fails more, is left out for a while. What
// happens to a model on a node counts for that model there alone.
type OutlierConfig struct {
	// LatencyFactor is how many times as long as on the other nodes requests must take on one for it to be slow. 0 turns the
	// rule off.
	LatencyFactor float64 `toml:"latency_factor"`
	// FailurePercent is how many more of a hundred requests than on the other nodes must fail on one. 0 turns the rule off.
	FailurePercent float64 `toml:"failure_percent"`
	// MinRequests is how many requests of a node must have been looked at, whatever they say. More are waited for until
	// chance is out of the question.
	MinRequests int `toml:"min_requests"`
	// Window is how old a request may be that is looked at.
	Window time.Duration `toml:"window"`
	// EjectionTime is how long a node is left out before single requests find out how it is now; every time in a row it is
	// twice as long, up to MaxEjectionTime, or EjectionTime if that is longer.
	EjectionTime    time.Duration `toml:"ejection_time"`
	MaxEjectionTime time.Duration `toml:"max_ejection_time"`
	// MaxEjectedPercent is how many of the pool's nodes may be left out or down at a time, of a hundred; but always one, if there is
	// another. Those that answer nothing are left out whatever it says, as long as one is left: it is for what the others have to
	// take over, and that is nothing.
	MaxEjectedPercent float64 `toml:"max_ejected_percent"`
}

// SetDefaults fills in what makes a node an outlier.
func (c *OutlierConfig) SetDefaults() {
	// Generations of GPUs that work side by side differ by two; a node that throttles, swaps, or shares its GPU with somebody
	// who should not be there is slower by five and more. What lies between is the policy's business, which gives a slower
	// node less.
	c.LatencyFactor = 3
	// A node that fails one in ten more than others costs as many retries as the budget allows. Half is the breaker's.
	c.FailurePercent = 10
	// By then even identical requests have met every instance of a usual node. Certainty asks for more where times vary.
	c.MinRequests = 5
	// As the breaker's: long enough for small traffic, short enough that a fault is not averaged away by the past.
	c.Window = 10 * time.Second
	// A passing trouble (a clock that throttles, a collector, a neighbour's job) is over in seconds. A node that is still slow
	// costs two slow requests each time, and in the long run two a minute; one that is well again is back a minute later.
	c.EjectionTime = 5 * time.Second
	c.MaxEjectionTime = time.Minute
	// The others take what the ejected ones had. At the usual load of 60 % they can for a third of the nodes: 0.6 / 0.66.
	c.MaxEjectedPercent = 34
}

// setback is how long nodes are left out that have always behaved so far.
func (c *OutlierConfig) setback() setback {
	return setback{first: c.EjectionTime, most: c.MaxEjectionTime}
}

// on reports whether anything is judged.
func (c *OutlierConfig) on() bool {
	return (c.LatencyFactor > 0 || c.FailurePercent > 0) && c.MaxEjectedPercent > 0
}

// mayEject is how many of so many nodes may be out at a time.
func (c *OutlierConfig) mayEject(nodes int) int {
	if nodes < 2 {
		return 0
	}
	return min(max(1, int(float64(nodes)*c.MaxEjectedPercent/100)), nodes-1)
}

func (c *OutlierConfig) check(fs *findings) {
	if f := c.LatencyFactor; f != 0 && !(f >= minLatencyFactor && f <= maxLatencyFactor) { // NaN is out of range too
		fs.addf("outlier.latency_factor", "%v is out of range: accepted are 0, which turns the rule off, and %v to %v", f, minLatencyFactor, maxLatencyFactor)
	}
	fs.fraction("outlier.failure_percent", c.FailurePercent, 0, 100)
	fs.whole("outlier.min_requests", c.MinRequests, 1, timingsKept)
	fs.duration("outlier.window", c.Window)
	fs.duration("outlier.ejection_time", c.EjectionTime)
	fs.duration("outlier.max_ejection_time", c.MaxEjectionTime)
	fs.fraction("outlier.max_ejected_percent", c.MaxEjectedPercent, 0, 100)
}

const (
	// minLatencyFactor keeps the rule away from differences that are no fault, such as that of a node's place in the network.
	minLatencyFactor = 1.2
	// maxLatencyFactor is when a value is a typing error: to turn the rule off is 0.
	maxLatencyFactor = 1000
)
