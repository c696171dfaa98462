package balancer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Probe asks a node whether it would serve requests now; nil = it would. What it hears of models on the way it tells
// [Node.Found]. It must return soon after ctx ends, which it does when the health timeout has passed. [ErrUnasked] says nothing of
// the node.
type Probe func(ctx context.Context, n *Node) error

// probing is what Run runs: a goroutine for each node. Guarded by Pool.control.
type probing struct {
	ctx     context.Context
	watches sync.WaitGroup
	cancels map[*Node]context.CancelFunc
}

// Run probes the nodes, all at once and each at its own pace, until ctx ends, and returns nil when the last probe has. Nodes
// that join meanwhile are probed, and those that leave are not any more. Without a probe there is nothing to do but wait.
func (p *Pool) Run(ctx context.Context) error {
	r := &probing{ctx: ctx, cancels: map[*Node]context.CancelFunc{}}
	p.control.Lock()
	p.probing = r
	for _, n := range p.members.Load().nodes {
		r.start(p, n)
	}
	p.control.Unlock()
	r.watches.Go(func() { p.queue.run(ctx) })
	r.watches.Go(func() { p.runAdmission(ctx) })
	<-ctx.Done()
	p.control.Lock()
	p.probing = nil // nobody starts any more
	p.control.Unlock()
	r.watches.Wait()
	return nil
}

// start begins to probe a node, if Run runs. The caller holds Pool.control.
func (r *probing) start(p *Pool, n *Node) {
	if r == nil || p.probe == nil {
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	r.cancels[n] = cancel
	r.watches.Go(func() {
		defer cancel()
		p.watch(ctx, n)
	})
}

// stop ends what start began, without waiting for a probe that is under way. The caller holds Pool.control.
func (r *probing) stop(n *Node) {
	if r == nil {
		return
	}
	if cancel := r.cancels[n]; cancel != nil {
		cancel()
		delete(r.cancels, n)
	}
}

// watch probes one node until ctx ends.
func (p *Pool) watch(ctx context.Context, n *Node) {
	j := judge{rise: p.cfg.Health.Rise, fall: p.cfg.Health.Fall, state: n.State()}
	again, mended := recall{rise: p.cfg.Health.Rise}, recall{rise: p.cfg.Health.Rise}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-n.wake:
		}
		leaving, open := n.leaving.Load(), n.Circuit() != Closed
		err := p.ask(ctx, n)
		if ctx.Err() != nil {
			return // the answer is about us, not about the node
		}
		if again.hear(leaving, err == nil) {
			n.stays()
		}
		if mended.hear(open, err == nil) {
			p.mend(n)
		}
		if errors.Is(err, ErrUnasked) {
			p.unasked(n, err)
			timer.Reset(p.cfg.Health.pause(true))
			continue
		}
		n.complain(err)
		if err == nil {
			n.Trust()
		}
		j.adopt(n.State())
		if j.hear(err == nil) {
			p.setState(n, j.state, err)
		}
		soon := j.inDoubt() || n.Circuit() != Closed || n.leaving.Load() || n.suspect.Load() || j.state == Down && p.recovers()
		timer.Reset(p.cfg.Health.pause(soon))
	}
}

// recovers reports whether nodes that are down may come back any moment, and are missed: while none is up every request is refused,
// and for a while after one has come back it bears the load of those that come back with it.
func (p *Pool) recovers() bool {
	revived := p.revived.Load()
	return revived != 0 && p.now()-time.Duration(revived) < revivalTime || !p.Ready()
}

// revivalTime is by how much the starts of processes that died together may differ: they are alike, and load the same.
const revivalTime = 5 * time.Second

// ask runs one probe within its timeout. A probe that panics is a probe that failed: it must not take the gateway along.
func (p *Pool) ask(ctx context.Context, n *Node) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.Health.Timeout, errProbeTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("BUG: the probe panicked: %v", r)
		}
	}()
	err = p.probe(ctx, n)
	if err != nil && errors.Is(context.Cause(ctx), errProbeTimeout) {
		return fmt.Errorf("no answer to the probe within %s", p.cfg.Health.Timeout)
	}
	return err
}

// ErrUnasked is what a probe returns that could not ask, for a reason of our own, such as having no descriptor left for a
// connection. The node stays what it is: else a gateway that is short of something would take all of its nodes for dead.
var ErrUnasked = errors.New("the node could not be asked")

// unasked tells people of a probe that was none, once in a row.
func (p *Pool) unasked(n *Node, err error) {
	if before := n.cause.Load(); before == nil || *before != err.Error() {
		p.log.Warn("cannot probe", "pool", p.name, "node", n.address, "error", err)
	}
	n.complain(err)
}

var errProbeTimeout = errors.New("probe timeout")

// complain keeps what a probe said for people to read.
func (n *Node) complain(err error) {
	if err == nil {
		n.cause.Store(nil)
		return
	}
	cause := err.Error()
	n.cause.Store(&cause)
}
