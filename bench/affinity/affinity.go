//go:build linux

// Package affinity keeps the parts of a benchmark on cores of their own, so that what is measured and what measures it do not
// take each other's time. It knows nothing of what runs.
//
// Concurrency: functions without state.
package affinity

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Cores are those that this thread may run on, in ascending order.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("cannot tell which cores may be used: %w", err)
	}
	var usable []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			usable = append(usable, cpu)
		}
	}
	return usable, nil
}

// Pinned calls f on a thread that may run on cpus only, and returns f's error. What f starts, a process too, is born there and
// stays; the thread has its own cores back afterwards.
func Pinned(cpus []int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	set := setOf(cpus)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("cannot move to cores %v: %w", cpus, err)
	}
	err := f()
	if back := unix.SchedSetaffinity(0, &before); back != nil {
		return fmt.Errorf("cannot move back from cores %v: %w", cpus, back)
	}
	return err
}

func setOf(cpus []int) (set unix.CPUSet) {
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return set
}
