//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestProcessRunsOnItsCores(t *testing.T) {
	c, err := splitCores()
	if err != nil {
		t.Skip(err)
	}
	p, err := start("shell", []int{c.proxy}, nil, "/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	<-p.gone
	want := fmt.Sprintf("Cpus_allowed_list:\t%d", c.proxy)
	if got := p.said.String(); got != want {
		t.Errorf("a process for core %d says %q", c.proxy, got)
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	c, err := splitCores()
	if err != nil {
		t.Skip(err)
	}
	// The child ignores the polite signal, and outlives its parent.
	p, err := start("shell", c.rest, nil, "/bin/sh", "-c", `(trap "" TERM; while :; do sleep 0.1; done) & echo $!; wait`)
	if err != nil {
		t.Fatal(err)
	}
	var child string
	err = p.waitFor(func() error {
		if child = p.said.String(); strings.Contains(child, " ") {
			return errors.New("it has not started its child")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	err = p.waitForGone("/proc/" + child + "/stat")
	if err != nil {
		t.Error(err)
	}
}

// waitForGone waits until a killed process has left /proc, or is a zombie that
// init has yet to collect.
func (p *process) waitForGone(stat string) error {
	q := &process{name: "child", said: p.said, gone: make(chan struct{})}
	return q.waitFor(func() error {
		b, err := os.ReadFile(stat)
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(b), ") Z ") {
			return nil
		}
		return fmt.Errorf("it is still there: %s", b)
	})
}

func TestEndedProcessTellsItsLastWords(t *testing.T) {
	c, err := splitCores()
	if err != nil {
		t.Skip(err)
	}
	p, err := start("shell", c.rest, nil, "/bin/sh", "-c", "echo no such directive >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.waitFor(func() error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "shell ended (exit status 3): no such directive") {
		t.Errorf("error is %v, want the exit status and what it said", err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var said tail
	for i := range 3000 {
		fmt.Fprintf(&said, "%d ", i)
	}
	if s := said.String(); len(s) > tailSize || !strings.HasSuffix(s, "2998 2999") {
		t.Errorf("%d bytes are kept that end in %q", len(s), s[max(len(s)-20, 0):])
	}
}
