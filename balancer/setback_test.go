package balancer

import (
	"math"
	"testing"
	"time"
)

func TestSetbacksDoubleUpToTheirBound(t *testing.T) {
	s := setback{first: 2 * time.Second, most: 30 * time.Second}
	now := time.Duration(0)
	for i, want := range []time.Duration{2, 4, 8, 16, 30, 30, 30} {
		want *= time.Second
		got := s.next(now, 0)
		if got != want {
			t.Errorf("setback %d = %s, want %s", i+1, got, want)
		}
		now += got
	}
}

func TestSetbacksAreSpreadUpwards(t *testing.T) {
	for _, random := range []uint64{0, 1 << 63, math.MaxUint64} {
		s := setback{first: time.Second, most: time.Minute}
		if got := s.next(0, random); got < time.Second || got > 1200*time.Millisecond {
			t.Errorf("setback with random %d = %s, want 1s to 1.2s", random, got)
		}
	}
	low, high := setback{first: time.Second, most: time.Minute}, setback{first: time.Second, most: time.Minute}
	if a, b := low.next(0, 0), high.next(0, math.MaxUint64); b-a < 150*time.Millisecond {
		t.Errorf("setbacks of two gateways end %s apart, want nearly 200ms", b-a)
	}
}

func TestHealthForgetsSetbacksOneByOne(t *testing.T) {
	s := setback{first: time.Second, most: time.Minute}
	for range 4 {
		s.next(0, 0) // 1, 2, 4, 8 s
	}
	s.recovered(100 * time.Second)
	if !s.repeated(105 * time.Second) {
		t.Error("forgotten after 5s of health, want 8s for the last one")
	}
	// 8 s for the last one, 4 s for the one before: two are left.
	if got := s.next(113*time.Second, 0); got != 4*time.Second {
		t.Errorf("setback after 13s of health = %s, want 4s", got)
	}
	s.recovered(200 * time.Second)
	if got := s.next(300*time.Second, 0); got != time.Second {
		t.Errorf("setback after a long health = %s, want 1s", got)
	}
}

func TestFailingOnIsNoHealth(t *testing.T) {
	s := setback{first: time.Second, most: time.Minute}
	s.next(0, 0)
	if got := s.next(time.Hour, 0); got != 2*time.Second {
		t.Errorf("second setback an hour later, without recovery = %s, want 2s", got)
	}
}
