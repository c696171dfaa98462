package main

import (
	"os"
	"strconv"
	"strings"

	"ganglion/internal/conf"
)

// machineMemory is how much memory this process may have: the container's limit, else what the machine has. 0 means that
// the system does not tell in a way known here.
func machineMemory() conf.Size {
	total := meminfoTotal(readText("/proc/meminfo"))
	for _, file := range []string{
		"/sys/fs/cgroup/memory.max",                   // cgroup v2: a number or "max"
		"/sys/fs/cgroup/memory/memory.limit_in_bytes", // cgroup v1: a number, huge when there is no limit
	} {
		if limit, err := strconv.ParseInt(strings.TrimSpace(readText(file)), 10, 64); err == nil && limit > 0 {
			if total == 0 || conf.Size(limit) < total {
				return conf.Size(limit)
			}
		}
	}
	return total
}

// meminfoTotal finds "MemTotal: 16384 kB" in /proc/meminfo.
func meminfoTotal(meminfo string) conf.Size {
	for line := range strings.Lines(meminfo) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return conf.Size(kib) * conf.KiB
			}
		}
	}
	return 0
}

func readText(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "" // not this kind of system
	}
	return string(text)
}
