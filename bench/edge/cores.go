//go:build linux

package main

import (
	"fmt"

	"ganglion/bench/affinity"
)

// cores is who runs where.
type cores struct {
	proxy int   // the proxy's core, its alone
	rest  []int // load and nodes
}

// splitCores gives the first core that we may use to the proxy.
func splitCores() (cores, error) {
	usable, err := affinity.Cores()
	if err != nil {
		return cores{}, err
	}
	if len(usable) < 2 {
		return cores{}, fmt.Errorf("%d core may be used: the proxy needs one and the load another", len(usable))
	}
	return cores{usable[0], usable[1:]}, nil
}
