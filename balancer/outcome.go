package balancer

import "sync/atomic"

// Outcome is how an attempt went, as far as its node is concerned.
type Outcome uint8

// The zero Outcome is none of these, so that a forgotten one is found.
const (
	// Success means that the node did its work, even if the work was to refuse a bad request.
	Success Outcome = iota + 1
	// Failure means that the node did not answer: no connection, or one that broke. It counts in the node's breaker.
	Failure
	// Faulty means that the node answered that it failed, or was too late with this model. It counts in the breaker of this
	// model on this node; for the node itself it is a sign of life.
	Faulty
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
	case Faulty:
		return "fault"
	case Neutral:
		return "neutral"
	}
	return "none"
}

// ofNode is what the outcome means for the node's own breaker.
func (o Outcome) ofNode() Outcome {
	if o == Faulty {
		return Success
	}
	return o
}

// ofModel is what the outcome means for the breaker of the model on the node. A node that does not answer says nothing of
// its models.
func (o Outcome) ofModel() Outcome {
	switch o {
	case Faulty:
		return Failure
	case Failure:
		return Neutral
	}
	return o
}

// outcomes counts how attempts ended. It is written by whoever returns a lease.
type outcomes struct {
	successes atomic.Uint64
	failures  atomic.Uint64
	faults    atomic.Uint64
	neutral   atomic.Uint64
}

// count takes in one returned lease.
func (c *outcomes) count(o Outcome) {
	switch o {
	case Success:
		c.successes.Add(1)
	case Failure:
		c.failures.Add(1)
	case Faulty:
		c.faults.Add(1)
	case Neutral:
		c.neutral.Add(1)
	}
}
