package balancer

// Outcome is how an attempt went, as far as its node is concerned.
type Outcome uint8

// The zero Outcome is none of these, so that a forgotten one is found.
const (
	// Success means that the node did its work, even if the work was to refuse a bad request.
	Success Outcome = iota + 1
	// Failure blames the node and counts in its breaker.
	Failure
	// Neutral says nothing about the node: the client left, or the attempt was given up for another reason.
	Neutral
)

// String is the word used in logs and metrics.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Neutral:
		return "neutral"
	}
	return "none"
}
