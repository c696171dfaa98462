//go:build linux

package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// cores is who runs where: the node, and the bare loops while it rests, on one half of the cores, the clients on the other.
type cores struct{ node, clients []int }

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
		return cores{}, fmt.Errorf("%d core may be used: the node needs one and the clients another", len(usable))
	}
	half := len(usable) / 2
	return cores{usable[:half], usable[half:]}, nil
}

// pinned calls f on a thread that may run on cpus only. What f starts, a process too, inherits that; the thread has it back
// afterwards.
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

// keepTo moves every thread of this process to cpus, and those that they start.
func keepTo(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	tasks, err := threads()
	if err != nil {
		return err
	}
	for _, task := range tasks {
		if err := unix.SchedSetaffinity(task, &set); err != nil && err != unix.ESRCH { // it ended since
			return fmt.Errorf("cannot keep to cores %v: %w", cpus, err)
		}
	}
	return nil
}
