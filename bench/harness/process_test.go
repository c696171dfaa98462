//go:build linux

package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ganglion/bench/affinity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProcessRunsOnItsCores(t *testing.T) {
	cores, err := affinity.Cores()
	if err != nil {
		t.Skip(err)
	}
	p, err := Start("shell", cores[:1], nil, "/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	<-p.gone
	want := fmt.Sprintf("Cpus_allowed_list:\t%d", cores[0])
	if got := p.Said(); got != want {
		t.Errorf("a process for core %d says %q", cores[0], got)
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	// The child ignores the polite signal, and outlives its parent.
	p, err := Start("shell", nil, nil, "/bin/sh", "-c", `(trap "" TERM; while :; do sleep 0.1; done) & echo $!; wait`)
	if err != nil {
		t.Fatal(err)
	}
	var child string
	err = p.Await(func() error {
		if child = p.Said(); child == "" {
			return errors.New("it has not started its child")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if err := awaitGone("/proc/" + child + "/stat"); err != nil {
		t.Error(err)
	}
}

// awaitGone waits until a killed process has left /proc, or is a zombie that init has yet to collect.
func awaitGone(stat string) error {
	var none *Process
	return none.Await(func() error {
		b, err := os.ReadFile(stat)
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(b), ") Z ") {
			return nil
		}
		return fmt.Errorf("it is still there: %s", b)
	})
}

func TestEndedProcessTellsItsLastWords(t *testing.T) {
	p, err := Start("shell", nil, []string{"WORD=directive"}, "/bin/sh", "-c", "echo no such $WORD >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Await(func() error { return errors.New("not yet") })
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
