//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ, which is 100 on every Linux
// that Go runs on.
const tick = 10 * time.Millisecond

// cpuTime is what a process and its descendants have used so far, user and
// system time of all threads. Descendants that have ended count once their
// parent has waited for them.
func cpuTime(root int) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	used, parent := map[int]time.Duration{}, map[int]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended since
		}
		if err != nil {
			return 0, err
		}
		pid, ppid, t, err := parseStat(b)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		used[pid], parent[pid] = t, ppid
	}
	if _, alive := used[root]; !alive {
		return 0, fmt.Errorf("process %d has ended", root)
	}
	var sum time.Duration
	for pid, t := range used {
		if descends(pid, root, parent) {
			sum += t
		}
	}
	return sum, nil
}

// descends says whether pid is root or comes from it.
func descends(pid, root int, parent map[int]int) bool {
	for pid > 0 {
		if pid == root {
			return true
		}
		pid = parent[pid]
	}
	return false
}

// parseStat reads /proc/PID/stat. The name, in parentheses, may hold anything;
// after its last parenthesis come state (field 3), parent (4), ... user (14) and
// system (15) time, and those of ended children (16, 17).
func parseStat(b []byte) (pid, ppid int, used time.Duration, err error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return 0, 0, 0, fmt.Errorf("no name in %q", b)
	}
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) < 15 {
		return 0, 0, 0, fmt.Errorf("%d fields after the name, want 15 or more", len(fields))
	}
	number := func(s string) int {
		n, bad := strconv.Atoi(s)
		err = errors.Join(err, bad)
		return n
	}
	pid = number(strings.TrimSpace(string(b[:open])))
	ppid = number(fields[1])
	for _, f := range fields[11:15] {
		used += time.Duration(number(f)) * tick
	}
	return pid, ppid, used, err
}

// busyTime is what all processes of the machine have used so far, time that the
// hypervisor took away included.
func busyTime() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(b))
}

// parseBusy adds up the first line of /proc/stat: user nice system idle iowait
// irq softirq steal (guest time is part of user's).
func parseBusy(stat string) (busy time.Duration, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		if idle := i == 3 || i == 4; !idle {
			busy += time.Duration(n) * tick
		}
	}
	return busy, nil
}
