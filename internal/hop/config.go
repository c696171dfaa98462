package hop

import (
	"errors"
	"fmt"
	"time"
)

// Config is how one end of a connection behaves. Both ends have the same knobs.
type Config struct {
	MaxStreams int    // exchanges at once on one connection; the client keeps to the smaller of both ends' figures
	MaxBody    int64  // bytes; a larger request is refused by the server, a larger response given up by the client
	Window     int    // bytes of a body that the peer may send before it is granted more
	Budget     Budget // memory for bodies being received, shared by all connections that are given the same one
	// ChunkSums asks the peer for checksums of the chunks of large bodies, which cost each end 5 µs per 100 KB. Everything else
	// is always summed. Over TLS, which has its own, they are left out.
	ChunkSums bool
	// Conditions is for servers: requests may come with a condition (Request.Most, Request.Within), and the handler may decline those.
	Conditions bool
	// Loads is for clients: how many loads a second the node may tell without an answer, for Observer.Load. 0 = none.
	Loads int

	HandshakeTimeout time.Duration // for the exchange of settings
	PingInterval     time.Duration // silence after which the peer is asked whether it lives
	PingTimeout      time.Duration // silence after that question which proves the contrary
	// Silence is for clients: how long the node may give no sign of life while exchanges wait, and then does not answer a ping
	// either, before Observer.Suspect hears of it. It takes up to a fifth more. 0 = nothing is suspected.
	Silence      time.Duration
	WriteTimeout time.Duration // for the peer to take what the kernel's buffer does not hold
	StallTimeout time.Duration // for a body to make progress: the peer sends nothing of it, or grants nothing for it
	DrainTimeout time.Duration // for open exchanges to finish once the connection is asked to end
}

// DefaultConfig returns what suits an edge with 2 to 16 nodes.
func DefaultConfig() Config {
	return Config{
		// As many callers as one edge process usually has in flight to one node; more open a second connection.
		MaxStreams: 1024,
		// A batch of a hundred images as FP32 tensors of 224 by 224 by 3.
		MaxBody: 64 << 20,
		// An image of that kind is 602,112 bytes and should not wait for a grant; at 10 Gb/s and 0.5 ms a window of 1 MiB
		// keeps the link more than full.
		Window: 1 << 20,
		// Four of the largest bodies.
		Budget: NewBudget(256 << 20),
		// A tensor that was damaged on its way is a wrong answer that nobody notices.
		ChunkSums: true,

		// A node that has just accepted answers in a round trip; 5 s survive a lost packet or two.
		HandshakeTimeout: 5 * time.Second,
		// A hung peer is found within 2 to 4 s, well before an exchange's usual deadline of 30 s; a busy peer whose reading
		// goroutine gets no processor for 2 s is as good as hung.
		PingInterval: time.Second,
		PingTimeout:  2 * time.Second,
		// A request that meets a node in the moment of its death is then answered by another within 300 ms and its own time.
		// Looks are 50 ms apart, five times the time slice of a busy Linux host, and of these a node gets four.
		Silence: 250 * time.Millisecond,
		// The kernel has to make no progress at all for so long; TCP repeats a lost segment five times in 10 s.
		WriteTimeout: 10 * time.Second,
		StallTimeout: 10 * time.Second,
		// As the gateway's own drain.
		DrainTimeout: 30 * time.Second,
	}
}

// Validate names every value that cannot work, with what can.
func (c Config) Validate() error {
	var errs []error
	within := func(name string, value, low, high int64) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("%s = %d: must be between %d and %d", name, value, low, high))
		}
	}
	within("MaxStreams", int64(c.MaxStreams), 1, 1<<16)
	within("MaxBody", c.MaxBody, 0, 1<<40)
	within("Window", int64(c.Window), minWindow, maxWindow)
	within("Loads", int64(c.Loads), 0, maxLoads)
	if c.Budget.budget == nil {
		errs = append(errs, errors.New("the zero Budget holds nothing: use NewBudget"))
	}
	positive := func(name string, d time.Duration) {
		// A millisecond is what the alarm can tell apart from a busy processor.
		if d < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s = %v: must be at least 1ms", name, d))
		}
	}
	positive("HandshakeTimeout", c.HandshakeTimeout)
	positive("PingInterval", c.PingInterval)
	positive("PingTimeout", c.PingTimeout)
	if c.Silence != 0 && c.Silence < minSilence {
		errs = append(errs, fmt.Errorf("Silence = %v: must be 0 or at least %v", c.Silence, minSilence))
	}
	positive("WriteTimeout", c.WriteTimeout)
	positive("StallTimeout", c.StallTimeout)
	positive("DrainTimeout", c.DrainTimeout)
	return errors.Join(errs...)
}

// minSilence is the least that leaves a millisecond, which an alarm can tell apart, for each look.
const minSilence = silenceLooks * time.Millisecond

// settings are what this end tells the other.
func (c Config) settings() settings {
	s := settings{maxChunk: chunkSize, maxStreams: int64(c.MaxStreams), window: int64(c.Window), maxBody: c.MaxBody, loads: int64(c.Loads)}
	if c.ChunkSums {
		s.chunkSums = 1
	}
	if c.Conditions {
		s.conditions = 1
	}
	return s
}
