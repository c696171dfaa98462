package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ganglion/internal/stack"
)

// restartAfter is how long a node that was killed stays away: long enough to paste a question and see it answered.
const restartAfter = 15 * time.Second

// show is the demo from beginning to end.
func show(ctx context.Context, o options, s *screen) error {
	cfg, err := o.stackConfig()
	if err != nil {
		return err
	}
	cfg.Out, cfg.Progress = warnings{s, o.verbose}, s.step
	s.step("starting two nodes and a gateway")
	st, err := stack.Start(ctx, cfg)
	if errors.Is(err, stack.ErrPortInUse) {
		return fmt.Errorf("%w; stop what holds it, or choose other addresses (demo --help)", err)
	}
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	err = askAll(ctx, st, s)
	if err == nil && !o.once {
		pointOn(st, o, s)
		err = watch(ctx, st, s)
	}
	return errors.Join(unlessInterrupted(ctx, err), finish(st, s))
}

// unlessInterrupted drops errors that come from the interruption itself.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func finish(st *stack.Stack, s *screen) error {
	s.print("")
	s.step("stopping")
	if err := st.Stop(); err != nil {
		return err
	}
	s.step("all processes have ended")
	return nil
}

func askAll(ctx context.Context, st *stack.Stack, s *screen) error {
	for _, q := range questions {
		raw, said, took, err := q.ask(ctx, st.GatewayURL())
		if err != nil {
			return err
		}
		s.print("\n" + q.about + "\n\n" + q.curl(st.GatewayURL()) + "\n\n" + s.paint(dim, raw) + "\n" +
			s.paint(bold+";"+green, "→ "+said) + fmt.Sprintf("  in %.1f ms", float64(took.Microseconds())/1000))
	}
	return nil
}

// pointOn says where to look next.
func pointOn(st *stack.Stack, o options, s *screen) {
	node := st.Nodes()[0]
	s.print("\nWhere to look next:\n\n" +
		"metrics    curl -s " + st.AdminURL() + "/metrics\n" +
		"status     curl -s " + st.AdminURL() + "/status\n" +
		"routes     " + o.config + " says which models there are and who answers for them\n" +
		"docs       README.md, docs/life-of-a-request.md\n" +
		fmt.Sprintf("failure    kill -9 %d, then paste a question again: the other node answers\n", node.PID()) +
		"\n" + s.paint(bold, "Ctrl-C stops everything.") + "\n")
}

// watch waits for ctx to end. Nodes may be killed, as pointOn suggests, and are brought back; the gateway may not.
func watch(ctx context.Context, st *stack.Stack, s *screen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var keepers sync.WaitGroup
	for _, n := range st.Nodes() {
		keepers.Go(func() { keep(ctx, n, s) })
	}
	defer keepers.Wait()
	defer cancel()
	select {
	case <-ctx.Done():
		return nil
	case <-st.Gateway().Ended():
		return errors.New("the gateway has ended")
	}
}

// keep brings n back each time it has ended, until ctx ends.
func keep(ctx context.Context, n *stack.Process, s *screen) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.Ended():
		}
		_ = n.Kill() // it is dead; this says that we know
		s.step(fmt.Sprintf("%s is gone; it comes back in %s", n.Name(), restartAfter))
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartAfter):
		}
		if err := n.Restart(ctx, 0); err != nil {
			if ctx.Err() == nil {
				s.step(err.Error())
			}
			continue
		}
		s.step(fmt.Sprintf("%s is back on %s (pid %d)", n.Name(), n.Address(), n.PID()))
	}
}
