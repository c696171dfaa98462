package backend

import (
	"testing"
	"time"
)

// TestPaceWait: the wait is what the runs of late make of the queue.
func TestPaceWait(t *testing.T) {
	var p pace
	if got := p.wait(10, 2, 2); got != 0 {
		t.Errorf("before any run: %v", got)
	}
	for range 100 {
		p.ran(8*time.Millisecond, 4)
	}
	for _, c := range []struct {
		queued, busy, instances int64
		want                    time.Duration
	}{
		{0, 0, 2, 0},
		{0, 1, 2, 0},                     // one is idle
		{0, 2, 2, 2 * time.Millisecond},  // half a run, of the first of two to end
		{8, 2, 2, 10 * time.Millisecond}, // two batches ahead
		{8, 1, 1, 20 * time.Millisecond},
		{8, 0, 0, 0}, // nothing runs here
	} {
		if got := p.wait(c.queued, c.busy, c.instances); got.Round(10*time.Microsecond) != c.want {
			t.Errorf("%d queued, %d of %d busy: %v, want %v", c.queued, c.busy, c.instances, got, c.want)
		}
	}
	for range 20 {
		p.ran(80*time.Millisecond, 4)
	}
	if got := p.wait(0, 1, 1); got < 35*time.Millisecond {
		t.Errorf("after 20 runs of 80 ms half a run is %v", got)
	}
}
