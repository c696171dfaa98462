package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
)

const drainUsage = `gateway drain keeps new requests from a node of a running gateway, so that it can be stopped without a failed one.

usage: gateway drain [flags] NODE     NODE is HOST:PORT, as in gateway status

  --pool NAME         in this pool only (default: in every pool that has the node)
  --wait              wait until the gateway has nothing in flight there; exit 1 when --timeout passes first
  --timeout D         how long to wait (default 5m)
  --undo              let the node have requests again
  --force             even if no other node of the pool takes requests; it goes on getting them until one does
  --admin HOST:PORT   the gateway's admin port (default: server.admin of the file)
  --config FILE       the gateway's configuration (default gateway.toml)

A drained node stays drained until --undo or until the gateway ends, also when discovery drops it and lists it again. Each
gateway in front of a node has to be told.
`

// drainFlags are the command line of gateway drain.
type drainFlags struct {
	adminFlags
	node, pool        string
	wait, undo, force bool
	timeout           time.Duration
}

func parseDrain(args []string, stdout io.Writer) (*drainFlags, error) {
	f := new(drainFlags)
	line := newCommand("drain", drainUsage)
	f.register(line)
	line.StringVar(&f.pool, "pool", "", "")
	line.BoolVar(&f.wait, "wait", false, "")
	line.BoolVar(&f.undo, "undo", false, "")
	line.BoolVar(&f.force, "force", false, "")
	line.DurationVar(&f.timeout, "timeout", 5*time.Minute, "")
	nodes, err := line.Read(args, stdout)
	if err != nil {
		return nil, err
	}
	switch {
	case len(nodes) == 0:
		return nil, line.Misused("which node? gateway drain HOST:PORT, as in gateway status")
	case len(nodes) > 1:
		return nil, line.Misused("one node at a time, not %s", strings.Join(nodes, " and "))
	case f.undo && (f.wait || f.force):
		return nil, line.Misused("--undo goes with neither --wait nor --force")
	case f.timeout <= 0:
		return nil, line.Misused("--timeout %s: accepted is a time, such as 5m", f.timeout)
	}
	f.node = nodes[0]
	return f, nil
}

// drain is `gateway drain`.
func drain(ctx context.Context, args []string, stdout io.Writer) error {
	f, err := parseDrain(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	o, err := f.operator()
	if err != nil {
		return err
	}
	defer o.close()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	nodes, err := f.order(ctx, o)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		fmt.Fprintln(stdout, f.said(n))
	}
	if !f.wait {
		return nil
	}
	return f.await(ctx, o, nodes, stdout)
}

// order tells the gateway.
func (f *drainFlags) order(ctx context.Context, o *operator) ([]gateway.DrainedNode, error) {
	query := url.Values{"node": {f.node}}
	if f.pool != "" {
		query.Set("pool", f.pool)
	}
	if f.force {
		query.Set("force", "true")
	}
	path := "/drain"
	if f.undo {
		path = "/undrain"
	}
	var said struct {
		Nodes []gateway.DrainedNode `json:"nodes"`
	}
	err := o.ask(ctx, http.MethodPost, path, query, &said)
	return said.Nodes, err
}

// said is what an order came to, in a line.
func (f *drainFlags) said(n gateway.DrainedNode) string {
	line := fmt.Sprintf("%s in pool %s", n.Node, n.Pool)
	switch {
	case !n.Drained && n.State == "gone":
		return line + " is not listed now; when it comes back it takes requests"
	case !n.Drained:
		return line + " takes requests again"
	case n.Alone:
		return line + fmt.Sprintf(" is drained, but goes on getting requests: no other node takes them; %d in flight", n.InFlight)
	}
	return line + fmt.Sprintf(" is drained, %d in flight", n.InFlight)
}

// pollEvery is the time between two looks at a node that gets empty: often enough for a progress that one can watch, and
// nothing for the gateway.
const pollEvery = 200 * time.Millisecond

// await prints how the nodes get empty, and returns when they are. Empty is what two looks in a row find: the first may come
// between a request's choice of its node and its being counted there.
func (f *drainFlags) await(ctx context.Context, o *operator, nodes []gateway.DrainedNode, stdout io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, errDrainTimeout)
	defer cancel()
	shown := make([]int64, len(nodes))
	for i, n := range nodes {
		shown[i] = n.InFlight
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for empty := 0; ; {
		var st gateway.Status
		if err := o.ask(ctx, http.MethodGet, "/status", nil, &st); err != nil && ctx.Err() == nil {
			return fmt.Errorf("the wait ends, the node stays drained: %w", err)
		}
		left := f.left(&st, nodes, shown, stdout)
		if empty++; left > 0 || ctx.Err() != nil {
			empty = 0
		}
		if empty == 2 {
			fmt.Fprintln(stdout, "empty: it can be stopped")
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errDrainTimeout) {
				return fmt.Errorf("not empty after %s; it stays drained", f.timeout)
			}
			return errors.New("interrupted; the node stays drained")
		}
	}
}

var errDrainTimeout = errors.New("timeout")

// left prints what has changed of the nodes, and returns how much they have in flight together.
func (f *drainFlags) left(st *gateway.Status, nodes []gateway.DrainedNode, shown []int64, stdout io.Writer) (left int64) {
	for i, n := range nodes {
		now := inFlightAt(st, n)
		left += now
		if now != shown[i] {
			fmt.Fprintf(stdout, "%s in pool %s: %d in flight\n", n.Node, n.Pool, now)
			shown[i] = now
		}
	}
	return left
}

// inFlightAt is what a node has in flight, be it a member of the pool or one that has left and is still at work.
func inFlightAt(st *gateway.Status, of gateway.DrainedNode) (inFlight int64) {
	for _, p := range st.Pools {
		if p.Name != of.Pool {
			continue
		}
		for _, n := range p.Nodes {
			if n.Address == of.Node {
				inFlight += n.InFlight
			}
		}
	}
	return inFlight
}
