//go:build linux

package main

import (
	"errors"
	"maps"
	"testing"
	"time"

	"ganglion/internal/loadgen"
)

// made is a load of 100 requests a second for ten seconds, and a gateway that is looked at every 50 ms.
func made(took func(due time.Duration) (time.Duration, error), share func(at time.Duration) uint64) *watched {
	w := &watched{began: time.Unix(1000, 0)}
	for due := time.Duration(0); due < 10*time.Second; due += 10 * time.Millisecond {
		d, err := took(due)
		w.seen = append(w.seen, loadgen.Seen{Due: w.began.Add(due), Took: d, Err: err})
	}
	counts := map[string]uint64{"a": 0, "b": 0}
	for at := time.Duration(0); at <= 10*time.Second; at += sampleEvery {
		w.samples = append(w.samples, sample{at, maps.Clone(counts)})
		counts["a"] += share(at)
		counts["b"] += 5 - min(share(at), 5)
	}
	return w
}

func TestFiguresOfAFault(t *testing.T) {
	m := moments{broke: 3 * time.Second, healed: 6 * time.Second}
	w := made(func(due time.Duration) (time.Duration, error) {
		switch {
		case due >= 3*time.Second && due < 3*time.Second+50*time.Millisecond:
			return 7 * time.Millisecond, &loadgen.StatusError{Status: 503, Message: "no node"}
		case due == 4*time.Second:
			return time.Second, errors.New("read: connection reset by peer")
		case due >= 3*time.Second && due < 4*time.Second:
			return 100 * time.Millisecond, nil
		case due == 8*time.Second:
			return 30 * time.Millisecond, &loadgen.StatusError{Status: 502}
		}
		return 2 * time.Millisecond, nil
	}, func(at time.Duration) uint64 {
		switch {
		case at == 3*time.Second: // one attempt too many
			return 3
		case at >= 3500*time.Millisecond && at < 6700*time.Millisecond:
			return 0
		}
		return 2
	})
	w.samples[len(w.samples)-1].attempts["a"] += 100 // a tenth of the requests
	f := compute(w, m, "a", settledSlack)
	if f.Requests != 1000 || f.Failed != 7 || f.Refused != 5 || f.Unrefused != 2 || f.LateFailed != 1 || f.Errors["503: no node"] != 5 {
		t.Errorf("counted %+v", f)
	}
	if f.Before != 2*time.Millisecond || f.During != 100*time.Millisecond || f.After != 2*time.Millisecond || f.Slowest != time.Second {
		t.Errorf("p99 %s, %s, %s, slowest %s", f.Before, f.During, f.After, f.Slowest)
	}
	if f.RefusedP99 != 7*time.Millisecond || f.RefusedMost != 7*time.Millisecond {
		t.Errorf("refused within %s, at most %s", f.RefusedP99, f.RefusedMost)
	}
	// 201 samples of five attempts, the last of which is not counted, and the hundred.
	if f.Extra < 0.095 || f.Extra > 0.105 {
		t.Errorf("extra attempts %g, want 0.1", f.Extra)
	}
	near(t, "noticed", f.Noticed, 500*time.Millisecond, 100*time.Millisecond)
	near(t, "share back", f.Back, 700*time.Millisecond, 100*time.Millisecond)
	// The failure at 4 s is more than one of the hundred of a second that has a hundred answers: windows count from after it.
	near(t, "settled", f.Settled, 1250*time.Millisecond, settledStep)
}

func near(t *testing.T, what string, got *time.Duration, want, by time.Duration) {
	t.Helper()
	if got == nil || *got < want-by || *got > want+by {
		t.Errorf("%s after %v, want %s", what, got, want)
	}
}

func TestAFaultThatNobodyNotices(t *testing.T) {
	m := moments{broke: 3 * time.Second, healed: 6 * time.Second}
	even := func(time.Duration) uint64 { return 2 }
	f := compute(made(func(time.Duration) (time.Duration, error) { return time.Millisecond, nil }, even), m, "a", settledSlack)
	if f.Failed != 0 || f.Noticed != nil || f.Back != nil || f.Settled == nil || *f.Settled != 0 {
		t.Errorf("%+v", f)
	}
	f = compute(made(func(due time.Duration) (time.Duration, error) { return time.Millisecond + due/100, nil }, even), m, "", settledSlack)
	if f.Settled != nil {
		t.Errorf("settled after %s, but it only gets slower", f.Settled)
	}
}

func TestP99(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for n, want := range map[int]time.Duration{0: 0, 1: 100, 2: 100, 100: 99} {
		if got := p99(append([]time.Duration{}, hundred[:n]...)); got != want {
			t.Errorf("p99 of %d is %d, want %d", n, got, want)
		}
	}
}
