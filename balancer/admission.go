package balancer

import (
	"context"
	"math"
	"slices"
	"time"
)

// The modes of admission.
const (
	AdmissionOff     = "off"
	AdmissionObserve = "observe"
	AdmissionEnforce = "enforce"
)

var admissionModes = []string{AdmissionOff, AdmissionObserve, AdmissionEnforce}

// AdmissionConfig says what is done with the limits that the pool finds for its nodes by itself.
type AdmissionConfig struct {
	// Mode is off, observe, which finds limits and says so, or enforce, which sets them.
	Mode string `toml:"mode"`
}

// SetDefaults makes limits be found and shown, and not set: an operator should have seen them before they decide who is
// refused.
func (c *AdmissionConfig) SetDefaults() { c.Mode = AdmissionObserve }

func (c *AdmissionConfig) check(fs *findings) {
	if !slices.Contains(admissionModes, c.Mode) {
		fs.addf("admission.mode", "%q is not known%s", c.Mode, instead(c.Mode, admissionModes))
	}
}

// admissionEvery is how often nodes are looked at: a hundred nodes cost a few microseconds each time, and a run of a small
// model is as long.
const admissionEvery = 5 * time.Millisecond

// finder finds the limit of one node.
type finder struct {
	told    told
	climber climber
	curve   curve
	speaks  bool    // it has said how busy it is
	found   float64 // 0 = nothing yet
}

// Admission is the mode of the pool's admission.
func (p *Pool) Admission() string { return p.cfg.Admission.Mode }

// limitMost bounds what is found: a node that does more with more than a thousand requests at a time is no node of ours.
const limitMost = 1024

func newFinder() *finder {
	return &finder{told: newTold(), climber: newClimber()}
}

// tick looks at the node. bound = what is found is in force.
func (f *finder) tick(now time.Duration, s sight, bound bool) {
	f.speaks = s.load.Known
	switch {
	case f.speaks:
		f.told.tick(now, s.full, bound, s.inflight, s.load)
		f.found = f.told.limit
	case bound:
		f.climber.tick(now, s.clock, s.full, s.answers, s.each)
		f.found = f.climber.limit
	default:
		f.curve.tick(now, s.inflight, s.answers)
		f.found = f.curve.knee(now)
	}
}

// inForce is the limit to be set.
func (f *finder) inForce() int64 {
	limit := f.climber.trying
	if f.speaks {
		limit = f.told.limit
	}
	return int64(math.Ceil(limit))
}

// sight is a node as it is seen at one moment.
type sight struct {
	clock    time.Duration // since 1970, by the machine's clock, which other gateways have too
	inflight int64
	full     bool          // it has as much as it may have
	answers  uint64        // since ever
	each     time.Duration // what one takes, of late
	load     Load          // by its own word
}

// sight is the node now.
func (n *Node) sight() sight {
	return sight{
		clock:    time.Duration(time.Now().UnixNano()),
		inflight: max(0, n.inflight.Load()), full: n.full(),
		answers: n.successes.Load(), each: time.Duration(n.held.Load()), load: n.Load(),
	}
}

// runAdmission runs the finders until ctx ends.
func (p *Pool) runAdmission(ctx context.Context) {
	if p.cfg.Admission.Mode == AdmissionOff {
		return
	}
	ticker := time.NewTicker(admissionEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.lookAtLimits()
		}
	}
}

// lookAtLimits gives each node's finder another look, and sets what it finds if that is wanted.
func (p *Pool) lookAtLimits() {
	bound := p.cfg.Admission.Mode == AdmissionEnforce
	now := p.now()
	for _, n := range p.members.Load().nodes {
		n.finder.tick(now, n.sight(), bound)
		n.found.Store(int64(math.Ceil(n.finder.found)))
		if bound {
			n.find(n.finder.inForce())
		}
	}
}
