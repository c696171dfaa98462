//go:build linux

package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// cores is who runs where.
type cores struct {
	proxy int   // the proxy's core, its alone
	rest  []int // load and nodes
}

// splitCores gives the first core that we may use to the proxy.
func splitCores() (cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cores{}, fmt.Errorf("cannot tell which cores may be used: %w", err)
	}
	var usable []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			usable = append(usable, cpu)
		}
	}
	if len(usable) < 2 {
		return cores{}, fmt.Errorf("%d core may be used: the proxy needs one and the load another", len(usable))
	}
	return cores{usable[0], usable[1:]}, nil
}

// pinned calls f on a thread that may only run on cpus, so that a process which
// f starts, and its threads, are born there.
func pinned(cpus []int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("cannot move to cores %v: %w", cpus, err)
	}
	err := f()
	if back := unix.SchedSetaffinity(0, &before); back != nil {
		return fmt.Errorf("cannot move back from cores %v: %w", cpus, back)
	}
	return err
}
