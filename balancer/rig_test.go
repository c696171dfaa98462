package balancer

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// rig plays a pool with nodes that take time, by a clock of its own: no goroutine, no socket, the same every time.
type rig struct {
	t      testing.TB
	pool   *Pool
	model  *Model
	rng    *rand.Rand
	began  time.Time
	now    time.Duration
	actors map[*Node]*actor
	queue  ends
	said   []string // ejections and returns
	took   []answered
	lost   int // requests that got no node
}

// actor is a node that works on some requests at a time and keeps others waiting.
type actor struct {
	node   *Node
	name   int
	slots  []time.Duration // when each is free
	work   func() time.Duration
	factor float64 // by which work takes longer
	fails  float64 // the part of requests that it fails
	hung   bool
	held   []*Lease // while it hangs
	since  []time.Duration
	picks  int
}

// answered is a request that is over.
type answered struct {
	at, took time.Duration
	node     int
}

// end is a request that is about to be answered.
type end struct {
	at, began time.Duration
	lease     *Lease
	actor     *actor
}

type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at < e[j].at }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// newRig makes a pool of nodes that work on so many requests at a time, each of which takes what work says.
func newRig(t testing.TB, cfg Config, slots int, work func(*rand.Rand) time.Duration) *rig {
	s := &rig{t: t, rng: rand.New(rand.NewPCG(uint64(len(cfg.Nodes)), 7)), began: time.Unix(1_000_000, 0), actors: map[*Node]*actor{}}
	s.pool = newPool(t, cfg, Options{
		Now:  func() time.Time { return s.began.Add(s.now) },
		Rand: s.rng.Uint64,
		Observe: func(c Change) {
			if c.Ejected != c.WasEjected {
				s.said = append(s.said, fmt.Sprintf("%.1fs: node %d %s", s.now.Seconds(), s.actors[c.Node].name,
					map[bool]string{true: "ejected, " + c.Why.Reason.String(), false: "returned"}[c.Ejected]))
			}
		},
	})
	s.model = s.pool.Know("m")
	for i, n := range s.pool.Members() {
		s.actors[n] = &actor{node: n, name: i, slots: make([]time.Duration, slots), work: func() time.Duration { return work(s.rng) }, factor: 1}
	}
	return s
}

// actor is the one of that place in the configuration.
func (s *rig) actor(i int) *actor { return s.actors[s.pool.Members()[i]] }

// play has clients send so many requests a second, at random, for d.
func (s *rig) play(rate float64, d time.Duration) {
	until := s.now + d
	for next := s.gap(rate); s.now+next < until; next = s.gap(rate) {
		s.advanceTo(s.now + next)
		s.arrive()
	}
	s.advanceTo(until)
}

func (s *rig) gap(rate float64) time.Duration {
	return time.Duration(s.rng.ExpFloat64() / rate * float64(time.Second))
}

// advanceTo answers everything that is over by then.
func (s *rig) advanceTo(then time.Duration) {
	for len(s.queue) > 0 && s.queue[0].at <= then {
		e := heap.Pop(&s.queue).(end)
		s.now = e.at
		outcome := Success
		if e.actor.fails > 0 && s.rng.Float64() < e.actor.fails {
			outcome = Faulty
		}
		e.lease.Done(outcome)
		s.took = append(s.took, answered{at: s.now, took: s.now - e.began, node: e.actor.name})
	}
	s.now = then
}

func (s *rig) arrive() {
	lease := new(Lease)
	var err error
	if *lease, err = s.model.Pick(Ask{}, nil); err != nil {
		s.lost++
		return
	}
	a := s.actors[lease.Node()]
	a.picks++
	if a.hung {
		a.held, a.since = append(a.held, lease), append(a.since, s.now)
		return
	}
	s.serve(a, lease, s.now)
}

func (s *rig) serve(a *actor, lease *Lease, began time.Duration) {
	at := slices.Index(a.slots, slices.Min(a.slots))
	a.slots[at] = max(s.now, a.slots[at]) + time.Duration(a.factor*float64(a.work()))
	heap.Push(&s.queue, end{at: a.slots[at], began: began, lease: lease, actor: a})
}

// hang has the node answer nothing any more, of what it has either.
func (s *rig) hang(a *actor) {
	a.hung = true
	s.queue = slices.DeleteFunc(s.queue, func(e end) bool {
		if e.actor == a {
			a.held, a.since = append(a.held, e.lease), append(a.since, e.began)
		}
		return e.actor == a
	})
	heap.Init(&s.queue)
	clear(a.slots)
}

// wake ends a hang: what was held is worked on now.
func (s *rig) wake(a *actor) {
	a.hung = false
	for i, lease := range a.held {
		s.serve(a, lease, a.since[i])
	}
	a.held, a.since = nil, nil
}

// ejected is how many nodes are out.
func (s *rig) ejected() (n int) {
	for _, st := range s.pool.Nodes() {
		for _, m := range st.Models {
			if m.Model == "m" && m.Ejected {
				n++
			}
		}
	}
	return n
}

// p99 is that of requests which ended in the last d.
func (s *rig) p99(d time.Duration) time.Duration {
	var took []time.Duration
	for _, a := range s.took {
		if a.at > s.now-d {
			took = append(took, a.took)
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// The times that work takes.
func about(d time.Duration, spread float64) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration(float64(d) * math.Exp(spread*r.NormFloat64())) }
}
