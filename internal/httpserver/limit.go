package httpserver

import (
	"fmt"
	"syscall"
)

const (
	// mostConnections is what 0 stands for on a host with many descriptors. An idle connection takes 13 KiB (measured with
	// 9,500 of them), one at work with 8 KB each way 48 KiB: 32,768 of those 1.5 GiB.
	mostConnections = 32768
	// fewestConnections is where serving starts to make sense.
	fewestConnections = 32
)

// connectionLimit is how many connections may be open at once: as configured, or half of the descriptors. The other half
// is for connections to nodes, files and whatever else the process does. (The Go runtime has already raised the soft
// limit to the hard one.)
func connectionLimit(configured int) (int, error) {
	var rl syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &rl); err != nil {
		return 0, fmt.Errorf("cannot read the descriptor limit: %w", err)
	}
	half := int(min(rl.Cur/2, mostConnections*2))
	switch {
	case half < fewestConnections:
		return 0, fmt.Errorf("descriptor limit of %d is too low to serve: raise it (ulimit -n) to at least %d", rl.Cur, 2*fewestConnections)
	case configured == 0:
		return min(half, mostConnections), nil
	case uint64(configured) > rl.Cur/2:
		return 0, fmt.Errorf("max_connections = %d needs a descriptor limit of %d, this process has %d: raise it (ulimit -n) or lower max_connections",
			configured, 2*configured, rl.Cur)
	}
	return configured, nil
}
