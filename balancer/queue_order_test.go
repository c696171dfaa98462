package balancer

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// limited makes a configuration of n nodes that may have so many attempts each.
func limited(n, each int) Config {
	cfg := equal(LeastLoad, n)
	cfg.MaxInflight = each
	return cfg
}

// line is a pool of one node, all of whose places are taken, and those who wait for one.
type line struct {
	t    *testing.T
	pool *Pool

	mu     sync.Mutex // beside synctest.Wait, which does not order who ends in the same moment
	served []string
	failed map[string]error
	leases map[string]*Lease
}

func newLine(t *testing.T, cfg Config) *line {
	l := &line{t: t, pool: newPool(t, cfg, Options{}), failed: map[string]error{}, leases: map[string]*Lease{}}
	for i := range cfg.MaxInflight * len(cfg.Nodes) {
		l.take(fmt.Sprint(i))
	}
	return l
}

// take picks for somebody who does not wait.
func (l *line) take(name string) {
	l.t.Helper()
	lease, err := l.pool.common.Pick(Ask{}, nil)
	if err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
	l.leases[name] = &lease
}

// join lets somebody wait, and returns once it does.
func (l *line) join(name string, w *Waiter, tried *Tried) {
	go func() {
		lease, err := l.pool.common.Wait(Ask{}, tried, w)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.failed[name] = err
			return
		}
		l.served = append(l.served, name)
		l.leases[name] = &lease
	}()
	synctest.Wait()
}

// done ends the attempt of that name, and lets everybody go on.
func (l *line) done(name string) {
	l.t.Helper()
	l.mu.Lock()
	lease := l.leases[name]
	delete(l.leases, name)
	l.mu.Unlock()
	lease.Done(Success)
	synctest.Wait()
}

// drain ends attempts until nobody waits, and then all.
func (l *line) drain() {
	for len(l.leases) > 0 {
		for name := range l.leases {
			l.done(name)
			break
		}
	}
}

// failure is why the one of that name was not served, nil if it was or still waits.
func (l *line) failure(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed[name]
}

func (l *line) want(served ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.served, served) {
		l.t.Errorf("served %v, want %v; refused: %v", l.served, served, l.failed)
	}
}

func TestWaitersAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 2))
		for _, name := range []string{"a", "b", "c"} {
			l.join(name, new(Waiter), nil)
		}
		l.want()
		l.done("0")
		l.want("a")
		l.done("1")
		l.want("a", "b")
		l.drain()
		l.want("a", "b", "c")
		if q := l.pool.Queue(); q.Waiting != 0 || q.Waited != 3 {
			t.Errorf("%d wait and %d have waited, want none and 3", q.Waiting, q.Waited)
		}
	})
}

func TestPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		elsewhere := new(Tried)
		elsewhere.Add(new(Node))
		l.join("late", &Waiter{Priority: 9}, nil)
		l.join("default", new(Waiter), nil)
		l.join("five", &Waiter{Priority: 5}, nil)
		l.join("retry", new(Waiter), elsewhere)
		l.join("beyond", &Waiter{Priority: 200}, nil)
		l.join("first", &Waiter{Priority: 1}, nil)
		l.drain()
		l.want("first", "retry", "default", "five", "late", "beyond")
	})
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		l.join("low", &Waiter{Priority: 9}, nil)
		for i := range 2 * fairTurn {
			l.join(fmt.Sprintf("high %d", i), &Waiter{Priority: 1}, nil)
		}
		l.drain()
		if at := slices.Index(l.served, "low"); at < 1 || at >= fairTurn {
			t.Errorf("the low priority was served as number %d of %v, want later than the first and within %d", at, l.served, fairTurn)
		}
	})
}

func TestNobodyGoesBeforeThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := limited(2, 1)
		l := newLine(t, cfg)
		nodes := l.pool.Members()
		only := new(Tried) // of the two nodes it can use the second alone
		only.Add(nodes[0])
		l.join("picky", new(Waiter), only)
		first := "0"
		if l.leases[first].Node() != nodes[0] {
			first = "1"
		}
		l.done(first)
		l.want() // what is free is nothing for the one who waits
		if _, err := l.pool.common.Pick(Ask{}, nil); !errors.Is(err, ErrFull) {
			t.Errorf("Pick with somebody waiting: %v, want ErrFull", err)
		}
		l.join("other", new(Waiter), nil)
		l.want("other") // nobody before it could use that place
		l.drain()
		l.want("other", "picky")
	})
}

func TestWhoStickWaitsForItsNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, limited(4, 1), Options{})
		sticky := Ask{Key: 7, Stick: true}
		first, err := p.common.Pick(sticky, nil)
		if err != nil {
			t.Fatal(err)
		}
		var second Lease
		go func() { second, err = p.common.Wait(sticky, nil, new(Waiter)) }()
		synctest.Wait()
		if p.Queue().Waiting != 1 {
			t.Fatal("a request of a sequence went to another node, or nowhere")
		}
		first.Done(Success)
		synctest.Wait()
		if err != nil || second.Node() != first.Node() {
			t.Errorf("it got %v, %v, want the node of its sequence", second.place, err)
		}
		second.Done(Success)
	})
}

func TestWhatChangesIsOfferedToThoseWhoWait(t *testing.T) {
	for name, change := range map[string]func(*Pool) error{
		"a node comes back": func(p *Pool) error { return p.Mark(p.Members()[1].Address(), Up, nil) },
		"a node joins": func(p *Pool) error {
			return p.Update(append(limited(2, 1).Nodes, NodeConfig{Address: "10.9.9.9:9000", Weight: 1}))
		},
		"the limit is raised": func(p *Pool) error { p.Members()[0].allow(2); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, limited(2, 1), Options{})
				if err := p.Mark(p.Members()[1].Address(), Down, errors.New("gone")); err != nil {
					t.Fatal(err)
				}
				stop := run(t, p)
				defer stop()
				held, err := p.common.Pick(Ask{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer held.Done(Success)
				waited := make(chan error, 1)
				go func() {
					lease, err := p.common.Wait(Ask{}, nil, new(Waiter))
					if waited <- err; err == nil {
						lease.Done(Success)
					}
				}()
				synctest.Wait()
				if err := change(p); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // no time passes: nobody has to look by themselves
				select {
				case err := <-waited:
					if err != nil {
						t.Errorf("the one who waited was refused: %v", err)
					}
				default:
					t.Errorf("the one who waits was not told")
				}
			})
		})
	}
}

func TestNobodyWaitsForNodesThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		stop := run(t, l.pool)
		defer stop()
		l.join("waiter", new(Waiter), nil)
		if err := l.pool.Mark(l.pool.Members()[0].Address(), Down, errors.New("gone")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.failure("waiter"); !errors.Is(err, ErrNoNode) {
			t.Errorf("with no node left the one who waits got %v, want ErrNoNode at once", err)
		}
		l.drain()
	})
}
