package gateway

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ganglion/balancer"
	"ganglion/internal/discovery"
	"ganglion/internal/hostport"
)

// roster decides who the members of a pool are: the nodes of the file, those that its sources list, and for a while those that
// they list no more.
//
// A node that is no longer listed gets weight 0 first: it takes nothing new while another one is fit, and keeps its connections,
// so that a record that flaps costs none, and a list that is wrong altogether costs no requests. It leaves when it has
// lingered, or when its probes fail.
type roster struct {
	pool     *balancer.Pool
	fixed    []balancer.NodeConfig // of the file
	own      func(address string) bool
	linger   time.Duration
	watchers []*discovery.Watcher
	log      *slog.Logger
	wake     chan struct{} // holds one token: look at lists and members anew

	mu        sync.Mutex
	lingering map[string]time.Time  // until when, by address; canonical, as in drained
	drained   map[string]bool       // by an operator
	inherited []balancer.NodeConfig // of the pool that this one replaces, for as long as no source has had a list
	problem   string                // what the log was told of the members last
}

// newRoster makes the roster of a pool, which it gets with attend. It starts nothing.
func newRoster(name string, whole *Config, log *slog.Logger) *roster {
	cfg := whole.Pools[name]
	r := &roster{
		fixed: cfg.Nodes, own: whole.Server.listensOn, log: log.With("pool", name), wake: make(chan struct{}, 1),
		lingering: map[string]time.Time{}, drained: map[string]bool{},
	}
	if cfg.Discover != nil {
		r.linger = cfg.Discover.Linger
		r.watchers = discovery.New(*cfg.Discover, discovery.Options{Changed: func() { signal(r.wake) }, Log: r.log})
	}
	return r
}

// observe is told of changes of the pool's nodes. One that went down may have gone for good: the sources may know by now.
func (r *roster) observe(c balancer.Change) {
	if c.State != balancer.Down || c.OldState == balancer.Down {
		return
	}
	for _, w := range r.watchers {
		w.Hurry()
	}
	signal(r.wake)
}

// run keeps the members of the pool those that the lists say, until ctx ends.
func (r *roster) run(ctx context.Context) {
	var looking sync.WaitGroup
	defer looking.Wait()
	for _, w := range r.watchers {
		looking.Go(func() { _ = w.Run(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		}
		if next := r.update(time.Now()); next > 0 {
			timer.Reset(next)
		}
	}
}

// update brings the pool's members up to date, and returns when there is something to do without anything happening; 0 = never.
func (r *roster) update(now time.Time) (next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	listed, own := r.listed()
	nodes, next := r.withLingering(listed, now)
	for i := range nodes {
		nodes[i].Drained = r.drained[canonical(nodes[i].Address)]
	}
	var problem string
	if own != "" {
		problem = "node " + own + " is this gateway itself"
	}
	if len(nodes) > 0 { // else no source has had a list yet
		if err := r.pool.Update(nodes); err != nil {
			problem = err.Error()
		}
	}
	if problem != r.problem && problem != "" {
		r.log.Warn("not every node of the list is used", "cause", problem)
	}
	r.problem = problem
	return next
}

// refix replaces the nodes of the file.
func (r *roster) refix(nodes []balancer.NodeConfig) {
	r.mu.Lock()
	same := slices.Equal(r.fixed, nodes)
	r.fixed = nodes
	r.mu.Unlock()
	if !same {
		r.update(time.Now())
		signal(r.wake) // somebody may linger now
	}
}

// takeOver drains what operators have drained in the pool that this one replaces, and goes on with its nodes if no source has
// had a list yet: a reload while DNS fails must not be what empties a pool.
func (r *roster) takeOver(old *roster) {
	old.mu.Lock()
	drained := maps.Clone(old.drained)
	old.mu.Unlock()
	if len(r.watchers) > 0 && !r.known() {
		var nodes []balancer.NodeConfig
		for _, n := range old.pool.Members() {
			nodes = append(nodes, balancer.NodeConfig{Address: n.Address(), Weight: n.Weight(), Protocol: n.Protocol()})
		}
		r.mu.Lock()
		r.inherited = nodes
		r.mu.Unlock()
		r.update(time.Now())
	}
	for address := range drained {
		_ = r.drain(address, true) // of an address that is one
	}
}

// known reports whether a source has had a list.
func (r *roster) known() bool {
	return slices.ContainsFunc(r.watchers, func(w *discovery.Watcher) bool { return w.Status().Nodes != nil })
}

// listed are the nodes of the file and of all sources, each once: the file's word counts first, then that of the first source.
// The gateway itself is none of them: a request that it sent there would come back until its time is up.
func (r *roster) listed() (nodes []balancer.NodeConfig, own string) {
	nodes = slices.Clone(r.fixed)
	seen := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		seen[canonical(n.Address)] = true
	}
	for _, w := range r.watchers {
		for _, n := range w.Status().Nodes {
			switch {
			case seen[n.Address]:
			case r.own(n.Address):
				own = n.Address
			default:
				seen[n.Address] = true
				nodes = append(nodes, balancer.NodeConfig{Address: n.Address, Weight: n.Weight, Protocol: n.Protocol})
			}
		}
	}
	if r.known() {
		r.inherited = nil
	}
	for _, n := range r.inherited {
		if !seen[canonical(n.Address)] {
			nodes = append(nodes, n)
		}
	}
	return nodes, own
}

// withLingering adds the members that are not listed any more and may still stay, and returns when the next of them goes. The
// caller holds r.mu.
func (r *roster) withLingering(nodes []balancer.NodeConfig, now time.Time) ([]balancer.NodeConfig, time.Duration) {
	stay := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		stay[canonical(n.Address)] = true
	}
	lingering := map[string]time.Time{}
	var next time.Duration
	for _, n := range r.pool.Members() {
		address := canonical(n.Address())
		if stay[address] || n.State() == balancer.Down {
			continue
		}
		until, already := r.lingering[address]
		if !already {
			until = now.Add(r.linger)
		}
		left := until.Sub(now)
		if left <= 0 {
			continue
		}
		lingering[address] = until
		nodes = append(nodes, balancer.NodeConfig{Address: n.Address(), Weight: 0, Protocol: n.Protocol()})
		if next == 0 || left < next {
			next = left
		}
	}
	r.lingering = lingering
	return nodes, next
}

// unlisted reports whether the node at that address is a member for a while only.
func (r *roster) unlisted(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, is := r.lingering[canonical(address)]
	return is
}

// drain notes what an operator wants of the node at that address, and makes the pool do it if it is a member. It is remembered
// for a node that leaves the lists and comes back.
func (r *roster) drain(address string, on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.pool.Find(address); err == nil {
		if err := r.pool.Drain(address, on); err != nil {
			return err
		}
	}
	if on {
		r.drained[canonical(address)] = true
	} else {
		delete(r.drained, canonical(address))
	}
	return nil
}

// remembers reports whether an operator has drained the node at that address, be it a member or not.
func (r *roster) remembers(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drained[canonical(address)]
}

// canonical is the one form of an address. All that come here have been checked.
func canonical(address string) string {
	if c, err := hostport.Canonical(address); err == nil {
		return c
	}
	return address
}

// empty is why the pool has no members, "" if it has some.
func (r *roster) empty() string {
	if len(r.pool.Members()) > 0 {
		return ""
	}
	var why []string
	for _, w := range r.watchers {
		st := w.Status()
		if st.Error != nil {
			why = append(why, st.Source+": "+st.Error.Error())
		} else {
			why = append(why, st.Source+" has not answered yet")
		}
	}
	return "pool \"" + r.pool.Name() + "\" has no node yet: " + strings.Join(why, "; ")
}
