//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
)

// wall drops packets to and from one port of the loopback, by iptables, in the namespace that is the program's own.
type wall struct{ path string }

// newWall finds iptables. The error says why packets cannot be dropped.
func newWall(ctx context.Context) (*wall, error) {
	if err := raiseLoopback(); err != nil {
		return nil, err
	}
	path, err := exec.LookPath("iptables")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/iptables"); err != nil {
			return nil, fmt.Errorf("no iptables: e2e/faults/setup.sh installs it")
		}
	}
	w := &wall{path}
	// A kernel without the module says so now, and not in the middle of a fault.
	if err := w.do(ctx, "-A", "INPUT", "-p", "tcp", "--dport", "1", "-m", "statistic", "--mode", "random", "--probability", "0.3", "-j", "DROP"); err != nil {
		return nil, err
	}
	return w, w.open(ctx)
}

func (w *wall) do(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, w.path, append([]string{"-w"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("iptables %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// drop lets a share of the packets to and from the port of address vanish, all of them with 1. They are dropped where they
// arrive: where they leave, the sender would be told.
func (w *wall) drop(ctx context.Context, address string, share float64) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	var which []string
	if share < 1 {
		which = []string{"-m", "statistic", "--mode", "random", "--probability", fmt.Sprint(share)}
	}
	for _, end := range []string{"--dport", "--sport"} {
		rule := append([]string{"-A", "INPUT", "-p", "tcp", end, port}, which...)
		if err := w.do(ctx, append(rule, "-j", "DROP")...); err != nil {
			return err
		}
	}
	return nil
}

// open lets everything through again.
func (w *wall) open(ctx context.Context) error { return w.do(ctx, "-F", "INPUT") }
