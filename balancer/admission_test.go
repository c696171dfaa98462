package balancer

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// plant is one node under more demand than it can meet, by some gateways, each with a finder for it: a simulation without a
// network and without waiting. A run takes fixed and some more for each of its requests, up to batch of them.
type plant struct {
	fixed, each time.Duration
	batch       int
	runs        int     // at a time
	noise       float64 // how much of a run's time is at random, exponentially distributed; 0 = none
	speed       float64
	speaks      bool // it says how busy it is
	demand      func(gateway int) bool

	now      time.Duration
	agenda   []happening // soonest first
	rand     *rand.Rand
	queued   []int // gateways of those who wait in the node
	running  int   // requests
	busy     int   // runs
	lookedAt time.Duration
	load     Load
	gates    []*gate
}

// gate is one gateway.
type gate struct {
	finder   *finder
	bound    bool // what is found is in force
	inflight int64
	answers  uint64
	load     Load          // as of the last answer
	skew     time.Duration // of its clock
}

// happening is something that will happen in a plant.
type happening struct {
	at time.Duration
	do func()
}

func newPlant(gateways int, bound bool) *plant {
	p := &plant{
		fixed: 4 * time.Millisecond, each: 500 * time.Microsecond, batch: 16, runs: 1, speed: 1, // bench/sim's batching node
		rand: rand.New(rand.NewPCG(1, 2)), demand: func(int) bool { return true },
	}
	for range gateways {
		p.gates = append(p.gates, &gate{finder: newFinder(), bound: bound})
	}
	return p
}

// wire is the time from a gateway to the node, and back.
const wire = 100 * time.Microsecond

func (p *plant) after(d time.Duration, do func()) {
	h := happening{p.now + d, do}
	at, _ := slices.BinarySearchFunc(p.agenda, h.at, func(o happening, at time.Duration) int {
		if o.at <= at {
			return -1 // of two at the same time, the one that was planned first
		}
		return 1
	})
	p.agenda = slices.Insert(p.agenda, at, h)
}

// simulate goes on for so long, and returns how many requests were answered in a second.
func (p *plant) simulate(d time.Duration) float64 {
	if p.now == 0 {
		for g := range p.gates {
			p.after(0, func() { p.tick(g) })
		}
	}
	end, before := p.now+d, p.answered()
	for p.agenda[0].at <= end {
		h := p.agenda[0]
		p.agenda = p.agenda[1:]
		p.now = h.at
		h.do()
	}
	p.now = end
	return float64(p.answered()-before) / d.Seconds()
}

func (p *plant) answered() (sum uint64) {
	for _, g := range p.gates {
		sum += g.answers
	}
	return sum
}

// tick is what Pool.Run does.
func (p *plant) tick(g int) {
	gw := p.gates[g]
	s := sight{clock: p.now + gw.skew, inflight: gw.inflight, answers: gw.answers, each: p.fixed, load: gw.load}
	s.full = gw.bound && gw.inflight >= gw.finder.inForce()
	gw.finder.tick(p.now, s, gw.bound)
	p.fill(g)
	p.after(admissionEvery, func() { p.tick(g) })
}

// fill sends what the gateway may send.
func (p *plant) fill(g int) {
	gw := p.gates[g]
	for p.demand(g) && (!gw.bound || gw.inflight < gw.finder.inForce()) {
		gw.inflight++
		p.after(wire, func() { p.arrive(g) })
	}
}

func (p *plant) arrive(g int) {
	p.queued = append(p.queued, g)
	p.start()
}

func (p *plant) start() {
	for p.busy < p.runs && len(p.queued) > 0 {
		n := min(len(p.queued), p.batch)
		took := float64(p.fixed+time.Duration(n)*p.each) / p.speed
		took *= 1 - p.noise + p.noise*p.rand.ExpFloat64()
		batch := slices.Clone(p.queued[:n])
		p.queued = p.queued[n:]
		p.busy++
		p.running += n
		p.after(time.Duration(took), func() { p.end(batch) })
	}
}

// end answers a batch. The node takes the next one first, and looks at itself every millisecond at most.
func (p *plant) end(batch []int) {
	p.busy--
	p.running -= len(batch)
	p.start()
	if p.speaks && p.now-p.lookedAt > time.Millisecond {
		p.lookedAt = p.now
		p.load = Load{Known: true, Queued: uint32(len(p.queued)), InFlight: uint32(p.running)}
	}
	load := p.load
	p.after(wire, func() {
		for _, g := range batch {
			gw := p.gates[g]
			gw.inflight--
			gw.answers++
			gw.load = load
		}
		for _, g := range batch {
			p.fill(g)
		}
	})
}

// full is how many requests a second the node answers with full batches.
func (p *plant) full() float64 {
	run := float64(p.fixed+time.Duration(p.batch)*p.each) / p.speed
	return float64(p.batch*p.runs) / time.Duration(run).Seconds()
}

func (p *plant) limits() (all []float64) {
	for _, g := range p.gates {
		all = append(all, g.finder.found)
	}
	return all
}

// want simulates for a while, and then wants that share of what the node can do, under limits between those bounds.
func (p *plant) want(t *testing.T, what string, settle time.Duration, share, low, high float64) {
	t.Helper()
	p.simulate(settle)
	rate := p.simulate(20 * time.Second)
	sum := 0.0
	for _, l := range p.limits() {
		sum += l
	}
	t.Logf("%s: %.0f of %.0f a second, limits %.0f", what, rate, p.full(), p.limits())
	if rate < share*p.full() {
		t.Errorf("%s: the node answers %.0f a second, want %.0f %% of the %.0f that it can", what, rate, 100*share, p.full())
	}
	if sum < low || sum > high {
		t.Errorf("%s: the limits %.0f are together %.0f, want %.0f to %.0f", what, p.limits(), sum, low, high)
	}
}

// Full batches of 16 need 16 at work and 16 waiting.
func TestLimitKeepsBatchesFull(t *testing.T) {
	for name, speaks := range map[string]bool{"a node that says how busy it is": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(1, true)
			p.speaks = speaks
			p.want(t, "at first", time.Minute, 0.95, 28, 54)
			p.speed = 0.25
			p.want(t, "four times slower", time.Minute, 0.95, 28, 82)
			p.speed = 4
			p.want(t, "sixteen times quicker", time.Minute, 0.93, 28, 82)
		})
	}
}

func TestLimitOfANodeThatDoesNotBatchIsSmall(t *testing.T) {
	for name, speaks := range map[string]bool{"a node that says how busy it is": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(1, true)
			p.speaks, p.fixed, p.each, p.batch = speaks, 5*time.Millisecond, 0, 1
			p.want(t, "one at a time", 5*time.Minute, 0.9, 2, 16)
		})
	}
}

func TestLimitOfSeveralInstances(t *testing.T) {
	for name, speaks := range map[string]bool{"a node that says how busy it is": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(1, true)
			p.speaks, p.runs, p.noise = speaks, 4, 0.2
			p.want(t, "four batches at a time", time.Minute, 0.9, 64, 220)
		})
	}
}

func TestNoiseDoesNotCollapseTheLimit(t *testing.T) {
	for name, speaks := range map[string]bool{"a node that says how busy it is": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2) {
				p := newPlant(1, true)
				p.rand = rand.New(rand.NewPCG(seed, 3))
				p.speaks, p.noise = speaks, 1
				p.simulate(time.Minute)
				// What is left of nine minutes of chance.
				for range 4 {
					p.want(t, "runs of random length", 2*time.Minute, 0.75, 14, 280)
				}
			}
		})
	}
}

// Without demand a limit proves nothing. It must neither grow nor shrink by that.
func TestLimitStaysWithoutDemand(t *testing.T) {
	for name, speaks := range map[string]bool{"a node that says how busy it is": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(1, true)
			p.speaks = speaks
			p.simulate(30 * time.Second)
			before := p.limits()[0]
			p.demand = func(g int) bool { return p.gates[g].inflight < 3 }
			p.simulate(10 * time.Minute)
			if after := p.limits()[0]; after < before/2 || after > 2*before {
				t.Errorf("ten quiet minutes have made %.0f of the limit %.0f", after, before)
			}
		})
	}
}

func TestSeveralGatewaysShareANodeThatSpeaks(t *testing.T) {
	p := newPlant(4, true)
	p.speaks = true
	p.want(t, "four gateways", time.Minute, 0.95, 28, 90)
	limits := p.limits()
	if most, least := slices.Max(limits), slices.Min(limits); most > 4*least {
		t.Errorf("their limits are %.0f, want nobody to have several times what another has", limits)
	}
}

// Nobody tells them of each other. They try at the same moments, by clocks that are not quite right.
func TestSeveralGatewaysShareANodeThatSaysNothing(t *testing.T) {
	for _, gateways := range []int{2, 4, 8} {
		t.Run(strconv.Itoa(gateways), func(t *testing.T) {
			p := newPlant(gateways, true)
			p.noise = 0.2
			for i, g := range p.gates {
				g.skew = 100 * time.Millisecond * time.Duration(i) / time.Duration(gateways)
				p.demand = func(g int) bool { return p.now > time.Duration(g)*7*time.Second } // one after the other
			}
			for range 3 { // full batches need 32
				p.want(t, "after four minutes more", 4*time.Minute, 0.93, 20, 100)
			}
		})
	}
}

func TestObservedLimitIsWhatWouldHaveBeenEnough(t *testing.T) {
	t.Run("a node that says how busy it is", func(t *testing.T) {
		p := newPlant(1, false)
		p.speaks = true
		p.demand = func(g int) bool { return p.gates[g].inflight < 200 }
		p.want(t, "far too many", 20*time.Second, 0.95, 28, 54)
	})
	t.Run("one that does not", func(t *testing.T) {
		p := newPlant(1, false)
		level := int64(4)
		p.demand = func(g int) bool { return p.gates[g].inflight < level }
		for range 3 { // as a day goes
			for _, level = range []int64{4, 8, 16, 32, 64, 128} {
				p.simulate(10 * time.Second)
			}
		}
		p.want(t, "far too many", 0, 0.95, 28, 54)
	})
}

func TestAdmissionSetsLimitsOnlyIfTold(t *testing.T) {
	for mode, want := range map[string]int64{AdmissionObserve: 0, AdmissionEnforce: climbStart} {
		now := time.Unix(1, 0)
		cfg := equal(LeastLoad, 2)
		cfg.Admission.Mode = mode
		p := newPool(t, cfg, Options{Now: func() time.Time { return now }})
		p.lookAtLimits()
		if got := p.Members()[0].Limit(); got != want {
			t.Errorf("%s: the limit is %d, want %d", mode, got, want)
		}
	}
}

func TestTheLesserLimitHolds(t *testing.T) {
	cfg := equal(LeastLoad, 2)
	cfg.MaxInflight, cfg.Nodes[1].MaxInflight = 8, 100
	p := newPool(t, cfg, Options{})
	nodes := p.Members()
	if a, b := nodes[0].Limit(), nodes[1].Limit(); a != 8 || b != 100 {
		t.Fatalf("the limits are %d and %d, want the pool's 8 and the node's own 100", a, b)
	}
	for _, n := range nodes {
		n.find(20)
	}
	if a, b := nodes[0].Limit(), nodes[1].Limit(); a != 8 || b != 20 {
		t.Errorf("with 20 found the limits are %d and %d, want 8 and 20", a, b)
	}
}

// A node without a word of its own is tried under load, and what the trials cost is paid for by clients.
func TestTrialsCostLittle(t *testing.T) {
	for name, runs := range map[string]int{"one at a time, sixteen of them": 16, "four": 4} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(1, true)
			p.fixed, p.each, p.batch, p.runs = 42*time.Millisecond, 0, 1, runs
			p.simulate(time.Minute)
			worst, sum := 1.0, 0.0
			const windows = 120
			for range windows {
				part := p.simulate(5*time.Second) / p.full()
				worst, sum = min(worst, part), sum+part
			}
			t.Logf("limit %.0f: %.1f %% of what it can do, %.1f %% in the worst five seconds", p.limits(), 100*sum/windows, 100*worst)
			if sum/windows < 0.985 || worst < 0.93 {
				t.Errorf("it did %.1f %% of what it can, and %.1f %% in the worst five seconds; want 98.5 and 93", 100*sum/windows, 100*worst)
			}
		})
	}
}
