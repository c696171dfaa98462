package balancer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Probe asks the node at address ("host:port") whether it would serve requests now; nil = it would. It must return soon
// after ctx ends, which it does when the health timeout has passed.
type Probe func(ctx context.Context, address string) error

// Run probes the nodes, all at once and each at its own pace, until ctx ends, and returns nil when the last probe has.
// Without a probe there is nothing to do but wait.
func (p *Pool) Run(ctx context.Context) error {
	if p.probe == nil {
		<-ctx.Done()
		return nil
	}
	var probing sync.WaitGroup
	for _, n := range p.nodes {
		probing.Go(func() { p.watch(ctx, n) })
	}
	probing.Wait()
	return nil
}

// watch probes one node until ctx ends.
func (p *Pool) watch(ctx context.Context, n *Node) {
	j := judge{rise: p.health.Rise, fall: p.health.Fall, state: n.State()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-n.wake:
		}
		err := p.ask(ctx, n)
		if ctx.Err() != nil {
			return // the answer is about us, not about the node
		}
		n.complain(err)
		j.adopt(n.State())
		if j.hear(err == nil) {
			p.setState(n, j.state, err)
		}
		timer.Reset(p.health.pause(j.inDoubt() || n.Circuit() != Closed))
	}
}

// ask runs one probe within its timeout. A probe that panics is a probe that failed: it must not take the gateway along.
func (p *Pool) ask(ctx context.Context, n *Node) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.health.Timeout, errProbeTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("BUG: the probe panicked: %v", r)
		}
	}()
	err = p.probe(ctx, n.address)
	if err != nil && errors.Is(context.Cause(ctx), errProbeTimeout) {
		return fmt.Errorf("no answer to the probe within %s", p.health.Timeout)
	}
	return err
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
