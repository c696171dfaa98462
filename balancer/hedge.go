package balancer

import (
	"errors"
	"time"
)

// Why there is no hedge.
var (
	// ErrBusy means that no other node has so little to do that one more attempt would be no burden.
	ErrBusy = errors.New("no other node is idle enough for a hedge")
	// ErrBudget means that the pool has made as many hedges as it may.
	ErrBudget = errors.New("the pool's budget for hedges is spent")
)

// HedgeConfig says when a second attempt is made while the first is late, and how many of them.
type HedgeConfig struct {
	// Quantile is the share of a model's first attempts that are answered before a hedge would be made.
	Quantile float64 `toml:"quantile"`
	// MinDelay is the least time before a hedge, however quick the model is.
	MinDelay time.Duration `toml:"min_delay"`
	// BudgetPercent is how many hedges the pool may make for a hundred first attempts.
	BudgetPercent float64 `toml:"budget_percent"`
	// BudgetBurst is how many unspent hedges are kept for later.
	BudgetBurst int `toml:"budget_burst"`
}

// SetDefaults fills in how a pool hedges whose file only has the table.
func (c *HedgeConfig) SetDefaults() {
	// The later, the fewer hedges in vain, and the less they can still save. With one in twenty the work for hedges is bounded
	// by a twentieth even if there were no budget, and a stall of one in a hundred is met while it is short. The figure of
	// "The Tail at Scale" (Dean and Barroso, 2013).
	c.Quantile = 0.95
	// Below that, what a hedge costs at the edge and on the network is more than what it could save.
	c.MinDelay = time.Millisecond
	// As many as the quantile lets through: more are wanted only if the model as a whole has become slower, and then there
	// is nobody to be quicker.
	c.BudgetPercent = 5
	// What a node may have in flight when it stalls: a batch or two of the usual 32.
	c.BudgetBurst = 64
}

func (c *HedgeConfig) check(fs *findings) {
	fs.fraction("hedge.quantile", c.Quantile, 0.5, 0.999)
	if c.MinDelay < 0 || c.MinDelay > maxTime {
		fs.addf("hedge.min_delay", "%q is out of range: accepted are \"0s\" to \"1h\"", c.MinDelay)
	}
	fs.fraction("hedge.budget_percent", c.BudgetPercent, 0, 100)
	fs.whole("hedge.budget_burst", c.BudgetBurst, 1, maxCount)
}

// hedgeBudget is the pool's, apart from that of retries: what a slow node costs in hedges must not be missing when a node
// dies. There is no floor: a pool with little traffic can do without.
func hedgeBudget(cfg *HedgeConfig, now func() time.Duration) *budget {
	if cfg == nil {
		return nil
	}
	return newBudget(RetryConfig{BudgetPercent: cfg.BudgetPercent, BudgetBurst: cfg.BudgetBurst}, now)
}

// late estimates after how long a first attempt for the model is late; nil = the pool does not hedge.
func (p *Pool) late() *quantile {
	if p.cfg.Hedge == nil {
		return nil
	}
	return newQuantile(p.cfg.Hedge.Quantile)
}

// Hedges reports whether the pool hedges at all.
func (p *Pool) Hedges() bool { return p.hedges != nil && p.cfg.Retry.Attempts > 1 }

// HedgeAfter is how long a first attempt of the model takes that is late. ok is false if the pool does not hedge, or has too
// few attempts of the model behind it to tell. It takes no lock.
func (m *Model) HedgeAfter() (delay time.Duration, ok bool) {
	if !m.pool.Hedges() {
		return 0, false
	}
	delay, ok = m.late.value()
	return max(delay, m.pool.cfg.Hedge.MinDelay), ok
}

// Hedge is Pick for a second attempt that is made while the first is under way, and adds the node to tried. The other node
// must be sound, and idle enough: nobody waits for a node of the pool, it is below its limit, and its own queue is empty by its
// own word, or, if it does not say, it has no more in flight than is usual in the pool now. The error is ErrNoNode, ErrBusy or
// ErrBudget; a hedge never waits.
func (m *Model) Hedge(a Ask, tried *Tried) (l Lease, err error) {
	s, now := m.look()
	l.began = now
	err = m.hedge(&l, s, ask{key: a.Key, now: now, tried: *tried, ring: s.ring, bound: true})
	if err == nil {
		m.pool.granted(&l, tried)
	}
	return // by name: a lease is not copied
}

func (m *Model) hedge(l *Lease, s *snapshot, a ask) error {
	if len(s.groups) == 0 || s.groups[0].standing != sound || !s.groups[0].any(&a) {
		return ErrNoNode
	}
	if m.pool.queue.waiting.Load() > 0 {
		return ErrBusy // what is free is for those who have nothing yet
	}
	g := &s.groups[0]
	pl := m.policy.choose(g, a)
	if pl == nil || !g.idle(pl, a.now, m.pool.random) || !pl.node.reserve() {
		return ErrBusy
	}
	if !m.pool.hedges.take() {
		pl.node.surrender()
		return ErrBudget
	}
	l.to(pl)
	return nil
}

// idle reports whether one more attempt would be no burden for a node of the group.
func (g *group) idle(pl *placement, now time.Duration, rand func() uint64) bool {
	if load := pl.node.Load(); load.Known {
		// Nothing in flight from here: what it said last may be long ago, and what others have is forgotten in time.
		return load.Queued == 0 || pl.node.Inflight() == 0 && pl.node.load.foreign(now) == 0
	}
	var some sample
	field := some.of(g, rand)
	var held, weights, own uint64
	for i := range field {
		c := &field[i]
		held += uint64(max(0, c.node.inflight.Load()))
		weights += c.weight
		if c.place == pl {
			own = c.weight
		}
	}
	if own == 0 { // not in the sample
		own = 1
	}
	// Less than one more than its share, so that it is not the busiest even with the hedge.
	return uint64(max(0, pl.node.inflight.Load()))*weights <= held*own+weights
}

// Late notes that the attempt was broken off because it had taken too long: a hedge was quicker, or its time was up. It
// comes before Done. The attempt says nothing good or bad of the node, but that it took at least that long.
func (l *Lease) Late() { l.late = true }

// learn takes the time of a first attempt, in pools that hedge. What a hedge or a retry took is left out: they are made when
// something is wrong, and go where it is not.
func (l *Lease) learn(o Outcome) {
	late := l.place.model.late
	if late == nil || !l.first {
		return
	}
	took := l.place.model.pool.now() - l.began
	switch {
	case l.late:
		late.exceeds(took)
	case o == Success && !l.untimed:
		late.observe(took)
	}
}
