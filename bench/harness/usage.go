//go:build linux

package harness

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is a span of time, and what other processes have made of the machine meanwhile: figures that were taken beside a busy
// neighbour say so.
type Usage struct {
	began     time.Time
	busy, own time.Duration // processor time when it began
}

// BeginUsage begins one now.
func BeginUsage() Usage { return Usage{time.Now(), busyTime(), ownTime()} }

// Took is how long it is.
func (u Usage) Took() time.Duration { return time.Since(u.began) }

// Others is the share of the machine's processors that has gone to processes which are neither this one nor have been started
// by it and have ended, what a host has taken from a virtual machine included. It is 0 where Linux does not say.
func (u Usage) Others() float64 {
	others := (busyTime() - u.busy) - (ownTime() - u.own)
	return max(others.Seconds(), 0) / u.Took().Seconds() / float64(runtime.NumCPU())
}

// tick is the unit of /proc/stat, the same on all that Go runs on.
const tick = 10 * time.Millisecond

// busyTime is how long all processors together have worked since the machine started.
func busyTime() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var busy time.Duration
	for i, field := range strings.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal guest guest_nice; the guests are in user and nice.
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		busy += time.Duration(n) * tick
	}
	return busy
}

// ownTime is the processor time of this process and of those that it has started and that have ended.
func ownTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) != nil {
			return 0
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
