package gateway

import (
	"context"
	"errors"
	"sync"
	"time"
)

// crew runs the parts of the gateway's tables: pools, and the mirrors of routes. Tables share the parts that a reload has not
// changed; a part runs from the table that has it first until some time after the last one that has it.
type crew struct {
	mu      sync.Mutex
	pools   team
	mirrors team // stopped before the pools, which they send to
	leaving sync.WaitGroup
	ctx     context.Context // of those that wait for a part's time to be up; nil = run does not run
	failed  chan error
}

// team is the parts of one kind.
type team struct {
	ctx     context.Context // within which they run; nil = none does
	stops   map[part]context.CancelFunc
	working sync.WaitGroup
}

// part is a pool or a mirror.
type part interface {
	Run(ctx context.Context) error
}

func newCrew() *crew { return &crew{failed: make(chan error, 1)} }

// run runs the parts of the table that first returns and of those that are engaged later, until ctx ends or a part fails.
func (c *crew) run(ctx context.Context, first func() *table) error {
	whole := context.WithoutCancel(ctx)
	pools, stopPools := context.WithCancel(whole)
	defer stopPools()
	mirrors, stopMirrors := context.WithCancel(whole)
	defer stopMirrors()
	waiting, stopWaiting := context.WithCancel(whole)
	defer stopWaiting()

	c.mu.Lock()
	c.ctx = waiting
	c.pools.ctx, c.pools.stops = pools, map[part]context.CancelFunc{}
	c.mirrors.ctx, c.mirrors.stops = mirrors, map[part]context.CancelFunc{}
	c.engageLocked(first())
	c.mu.Unlock()

	var err error
	select {
	case <-ctx.Done():
	case err = <-c.failed:
	}
	c.mu.Lock()
	c.ctx, c.pools.ctx, c.mirrors.ctx = nil, nil, nil // nobody starts any more
	c.mu.Unlock()
	stopWaiting()
	c.leaving.Wait()
	stopMirrors()
	c.mirrors.working.Wait()
	stopPools()
	c.pools.working.Wait()
	return err
}

// engage starts those parts of a table that do not run yet, if run does.
func (c *crew) engage(t *table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engageLocked(t)
}

// engageLocked is engage for a caller that holds c.mu.
func (c *crew) engageLocked(t *table) {
	for _, up := range t.pools {
		c.pools.start(up, c.failed)
	}
	for _, rt := range t.routes {
		if rt.mirror != nil {
			c.mirrors.start(rt.mirror, c.failed)
		}
	}
}

func (m *team) start(p part, failed chan<- error) {
	if m.ctx == nil || m.stops[p] != nil {
		return
	}
	ctx, stop := context.WithCancel(m.ctx)
	m.stops[p] = stop
	m.working.Go(func() {
		defer stop()
		if err := p.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			select {
			case failed <- err:
			default: // one is enough
			}
		}
	})
}

// dismiss stops the parts that old has and now has not, once the exchanges that keep old are over: after the given time.
func (c *crew) dismiss(old, now *table, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		return
	}
	stay := map[part]bool{}
	for p := range now.parts {
		stay[p] = true
	}
	var stops []context.CancelFunc
	for p := range old.parts {
		for _, m := range []*team{&c.mirrors, &c.pools} {
			if stop := m.stops[p]; stop != nil && !stay[p] {
				stops = append(stops, stop)
				delete(m.stops, p)
			}
		}
	}
	if len(stops) == 0 {
		return
	}
	ctx := c.ctx
	c.leaving.Go(func() {
		rest(ctx, after)
		for _, stop := range stops {
			stop()
		}
	})
}

// parts yields what has to run for the table.
func (t *table) parts(yield func(part) bool) {
	for _, rt := range t.routes {
		if rt.mirror != nil && !yield(rt.mirror) {
			return
		}
	}
	for _, up := range t.pools {
		if !yield(up) {
			return
		}
	}
}

// patience is how long an exchange or a copy that keeps the table may take at most.
func (t *table) patience() (longest time.Duration) {
	for _, rt := range t.routes {
		longest = max(longest, rt.timeout)
		if rt.shadow != nil {
			longest = max(longest, rt.timeout+t.cfg.Routes[rt.name].Shadow.Timeout) // a copy is made when its exchange is over
		}
	}
	return longest + slack
}

// slack is added to the time that exchanges may take for what they do before their time begins and after it is over.
const slack = 2 * time.Second
