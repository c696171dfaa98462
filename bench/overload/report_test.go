//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestGoodputCountsWhatIsAnsweredInTheMeasuredTime(t *testing.T) {
	during := 2 * time.Second
	r := newRow("x", 2, during, []outcome{
		{due: warmup - time.Second, took: 500 * time.Millisecond, status: 200},          // before
		{due: warmup - 500*time.Millisecond, took: 900 * time.Millisecond, status: 200}, // worked on meanwhile
		{due: warmup, took: 10 * time.Millisecond, status: 200},
		{due: warmup, took: time.Millisecond, status: 503, later: true},
		{due: warmup, took: time.Second, status: 0},
		{due: warmup + during, took: 10 * time.Millisecond, status: 200}, // after
	})
	if r.PerSecond != 1 {
		t.Errorf("%v good answers a second, want 1: two in two seconds", r.PerSecond)
	}
	if r.Good.Count != 2 || r.Refused.Count != 1 || r.Late != 1 || r.Later != 1 {
		t.Errorf("counted %+v", r)
	}
}

func TestGoalsAreJudged(t *testing.T) {
	r := report{Capacity: 100, Rows: []row{{System: "Ganglion, x", Load: 10, PerSecond: 94, Refused: times{1, time.Millisecond, 11 * time.Millisecond}}}}
	var out bytes.Buffer
	r.print(&out)
	if got := strings.Count(out.String(), "**missed**"); got != 2 {
		t.Errorf("%d goals are missed, want both:\n%s", got, &out)
	}
}
