//go:build linux

package main

import (
	"os"
	"testing"
	"time"

	"ganglion/bench/harness"
)

func TestParseStat(t *testing.T) {
	pid, ppid, used, err := parseStat([]byte("42 (a) R (b c) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0 55\n"))
	if err != nil || pid != 42 || ppid != 7 || used != 1270*time.Millisecond {
		t.Errorf("pid %d, parent %d, used %s, %v: want 42, 7, 1.27s", pid, ppid, used, err)
	}
	for _, bad := range []string{"", "42", "42 (a", ") (", "42 (a) S 7", "x (a) S 7 0 0 0 0 0 0 0 0 0 1 1 1 1 0"} {
		if _, _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParseBusy(t *testing.T) {
	busy, err := parseBusy("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 9 9 9\n")
	if err != nil || busy != 630*time.Millisecond {
		t.Errorf("busy is %s, %v: want 630ms, idle and iowait left out", busy, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestCPUTimeCountsDescendants spins in a grandchild.
func TestCPUTimeCountsDescendants(t *testing.T) {
	c, err := splitCores()
	if err != nil {
		t.Skip(err)
	}
	p, err := harness.Start("spinner", c.rest, nil, "/bin/sh", "-c", "sh -c 'while :; do :; done' & wait")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	deadline := time.Now().Add(patience)
	for {
		used, err := cpuTime(p.PID())
		if err != nil {
			t.Fatal(err)
		}
		if used >= 5*tick {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a process whose child spins used %s in %s", used, patience)
		}
		time.Sleep(tick)
	}
	ours, err := cpuTime(os.Getpid())
	if err != nil || ours < 5*tick {
		t.Errorf("we and our descendants used %s, %v: want the spinner's time in it", ours, err)
	}
}
