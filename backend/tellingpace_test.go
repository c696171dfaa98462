package backend

import (
	"testing"
	"time"
)

// TestTellingPace: a node that has little to tell does so at once, and one that has much takes its time.
func TestTellingPace(t *testing.T) {
	var rare tellingPace
	for now := time.Duration(0); now < time.Second; now += 2 * time.Millisecond {
		if pause := rare.told(now); pause != tellEvery {
			t.Fatalf("a node that tells every 2 ms pauses for %v", pause)
		}
	}
	var busy tellingPace
	times, now := 0, time.Duration(0)
	for ; now < time.Second; times++ {
		now += busy.told(now)
	}
	if most := int(now/tellPace) + int(tellBurst/tellPace) + 1; times > most || times < most-10 {
		t.Errorf("a node that has always something to tell does so %d times in %v, want %d", times, now, most)
	}
}
