//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"ganglion/bench/affinity"
)

// cores is who runs where: the node, and the bare loops while it rests, on one half of the cores, the clients on the other.
type cores struct{ node, clients []int }

func splitCores() (cores, error) {
	usable, err := affinity.Cores()
	if err != nil {
		return cores{}, err
	}
	if len(usable) < 2 {
		return cores{}, fmt.Errorf("%d core may be used: the node needs one and the clients another", len(usable))
	}
	half := len(usable) / 2
	return cores{usable[:half], usable[half:]}, nil
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
