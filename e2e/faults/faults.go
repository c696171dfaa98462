//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// fault is one way in which nodes fail.
type fault struct {
	name string
	what string // for the table
	via  via    // what stands between gateway and victim
	loss bool   // needs packets to be dropped
	all  bool   // every node fails: there is a time with none
	none bool   // no single victim whose share could be watched
	dns  bool   // the nodes come from DNS
	main bool   // also run over HTTP/1.1 and gRPC by default

	// strike breaks the victim, keeps it broken for d and heals it. It returns when the victim can work again.
	strike func(ctx context.Context, b *bed, d time.Duration) error
}

// via is what stands between the gateway and the victim.
type via int

const (
	direct  via = iota
	cabled      // a cable that can be damaged
	fronted     // a server that answers in the victim's name
)

// faults are all of them, in the order of the table.
func faults() []fault {
	return []fault{
		{name: "kill", what: "one node gets SIGKILL, and is started again", main: true, strike: kill},
		{name: "freeze", what: "one node is stopped (SIGSTOP), and goes on (SIGCONT)", main: true, strike: freeze},
		{name: "crashloop", what: "one node is started again and again, and crashes 0.6 s after it is ready", strike: crashLoop},
		{name: "slow", what: "one node runs a tenth of the time: ten times as slow", strike: slow},
		{name: "errors", what: "one node answers every inference with 500; its probes are good", via: fronted, strike: answers(&internalError)},
		{name: "nonsense", what: "one node answers 200 with a page of HTML; its probes are good", via: fronted, strike: answers(&nonsense)},
		{name: "stuck", what: "one node takes inferences and never answers them; its probes are good", via: fronted, strike: stuck},
		{name: "garbage", what: "one node sends random bytes after the first 4 KiB of each connection", via: cabled, strike: damaged(garbles)},
		{name: "half", what: "one node's answers end in their middle after the first 4 KiB of each connection", via: cabled, strike: damaged(cuts)},
		{name: "reset", what: "one node's connections are reset, and new ones as soon as something is asked", via: cabled, main: true, strike: damaged(resets)},
		{name: "clog", what: "one node's connections are reset, and its queue of new ones is full", via: cabled, strike: clogged},
		{name: "blackhole", what: "all packets to and from one node are lost", loss: true, main: true, strike: lossy(1)},
		{name: "loss", what: "30 % of the packets to and from one node are lost", loss: true, strike: lossy(0.3)},
		{name: "outage", what: "all nodes get SIGKILL, and are started again", all: true, none: true, main: true, strike: outage},
		{name: "rolling", what: "all nodes are restarted in turn (SIGTERM)", none: true, main: true, strike: rolling},
		{name: "drain", what: "an operator drains one node, kills it, starts it again and lets it back in", strike: drained},
		{name: "dns", what: "one node is taken from DNS, gets SIGKILL two seconds later, is started again and put back", dns: true, strike: unlisted},
		{name: "dnsgone", what: "DNS says nothing for half of the time, and then that there is no such name", dns: true, none: true, strike: dnsGone},
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func kill(ctx context.Context, b *bed, d time.Duration) error {
	if err := b.kill(0); err != nil {
		return err
	}
	return errors.Join(pause(ctx, d), b.restart(ctx, 0))
}

func freeze(ctx context.Context, b *bed, d time.Duration) error {
	if err := b.victim().Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(pause(ctx, d), b.victim().Signal(syscall.SIGCONT))
}

// crashAfter is how long a node in a crash loop works: long enough for the gateway to take it back, as probes in doubt come
// every quarter of a second.
const crashAfter = 600 * time.Millisecond

func crashLoop(ctx context.Context, b *bed, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := b.victim().Kill(); err != nil {
			return err
		}
		if err := b.victim().Restart(ctx, patience); err != nil {
			return err
		}
		if err := pause(ctx, crashAfter); err != nil {
			return err
		}
	}
	return nil
}

// slow lets the victim run for 2 of every 20 ms: it is as if its processor were ten times as slow.
func slow(ctx context.Context, b *bed, d time.Duration) error {
	const on, off = 2 * time.Millisecond, 18 * time.Millisecond
	var err error
	for end := time.Now().Add(d); time.Now().Before(end) && err == nil; {
		err = errors.Join(b.victim().Signal(syscall.SIGSTOP), pause(ctx, off), b.victim().Signal(syscall.SIGCONT), pause(ctx, on))
	}
	return errors.Join(err, b.victim().Signal(syscall.SIGCONT))
}

// answers makes the victim give a bad answer to inferences.
func answers(bad *reply) func(ctx context.Context, b *bed, d time.Duration) error {
	return func(ctx context.Context, b *bed, d time.Duration) error {
		b.fronts[0].sick.Store(bad)
		defer b.fronts[0].sick.Store(nil)
		return pause(ctx, d)
	}
}

// stuck makes the victim forget inferences.
func stuck(ctx context.Context, b *bed, d time.Duration) error {
	b.fronts[0].forgets.Store(true)
	defer b.fronts[0].forgets.Store(false)
	return pause(ctx, d)
}

// damaged does something to what passes through the cable. Those who reset begin with what is open.
func damaged(how int32) func(ctx context.Context, b *bed, d time.Duration) error {
	return func(ctx context.Context, b *bed, d time.Duration) error {
		cable := b.cables[0]
		cable.damage.Store(how)
		defer cable.damage.Store(whole)
		if how == resets {
			cable.cut()
		}
		return pause(ctx, d)
	}
}

func clogged(ctx context.Context, b *bed, d time.Duration) error {
	cable := b.cables[0]
	if err := cable.clog(ctx); err != nil {
		return err
	}
	return errors.Join(pause(ctx, d), cable.unclog())
}

func lossy(share float64) func(ctx context.Context, b *bed, d time.Duration) error {
	return func(ctx context.Context, b *bed, d time.Duration) error {
		if err := b.trial.wall.drop(ctx, b.addresses[0], share); err != nil {
			return err
		}
		// Packets are let through again whatever has happened: the next fault needs the loopback.
		return errors.Join(pause(ctx, d), b.trial.wall.open(context.WithoutCancel(ctx)))
	}
}

// outage kills all, and starts all at the same time. It is over when the first can work.
func outage(ctx context.Context, b *bed, d time.Duration) error {
	errs := make([]error, len(b.stack.Nodes()))
	var dying sync.WaitGroup // a process with a model takes tens of milliseconds to end, in which the next one would work still
	for i := range b.stack.Nodes() {
		dying.Go(func() { errs[i] = b.kill(i) })
	}
	dying.Wait()
	if err := errors.Join(append(errs, pause(ctx, d))...); err != nil {
		return err
	}
	var starting sync.WaitGroup
	for i := range b.stack.Nodes() {
		starting.Go(func() {
			errs[i] = b.restart(ctx, i)
			b.heal()
		})
	}
	starting.Wait()
	return errors.Join(errs...)
}

func rolling(ctx context.Context, b *bed, d time.Duration) error {
	for _, n := range b.stack.Nodes() {
		if err := n.Restart(ctx, patience); err != nil {
			return fmt.Errorf("%s: %w", n.Name(), err)
		}
		if err := pause(ctx, d/time.Duration(2*len(b.stack.Nodes()))); err != nil {
			return err
		}
	}
	return nil
}

// drainTime is how long an operator waits before he takes a node away: requests take milliseconds.
const drainTime = time.Second

func drained(ctx context.Context, b *bed, d time.Duration) error {
	if err := b.order(ctx, "drain", b.addresses[0]); err != nil {
		return err
	}
	err := errors.Join(pause(ctx, drainTime), b.victim().Kill(), pause(ctx, d-drainTime), b.victim().Restart(ctx, patience))
	return errors.Join(err, b.order(ctx, "undrain", b.addresses[0]))
}

// unlistedTime is what a record that is good for a second may take to be forgotten: it, and the least time between two looks.
const unlistedTime = 2 * time.Second

func unlisted(ctx context.Context, b *bed, d time.Duration) error {
	b.setDNS(b.addresses[1:])
	err := errors.Join(pause(ctx, unlistedTime), b.victim().Kill(), pause(ctx, d-unlistedTime), b.victim().Restart(ctx, patience))
	b.setDNS(b.addresses)
	return err
}

func dnsGone(ctx context.Context, b *bed, d time.Duration) error {
	b.dns.Break(func(dnsmessage.Message, bool) [][]byte { return nil })
	err := pause(ctx, d/2)
	b.dns.Break(nil)
	b.dns.Remove(nodeName)
	err = errors.Join(err, pause(ctx, d/2))
	b.setDNS(b.addresses)
	return err
}
