//go:build linux

package main

import (
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
	text := r.text()
	if got := strings.Count(text, "**missed**"); got != 2 {
		t.Errorf("%d goals are missed, want both:\n%s", got, text)
	}
}

func TestGoalsOfAnOutageCountFromWhenRequestsWereDue(t *testing.T) {
	refusal := func(took, unsent time.Duration) outcome {
		return outcome{status: 503, took: took, unsent: unsent, later: true}
	}
	for name, c := range map[string]struct {
		outcomes []outcome
		missed   int
	}{
		"quick":                       {[]outcome{refusal(4*time.Millisecond, time.Millisecond)}, 0},
		"slow":                        {[]outcome{refusal(6*time.Millisecond, time.Millisecond)}, 1},
		"the generator alone was":     {[]outcome{refusal(6*time.Millisecond, 5*time.Millisecond)}, 1},
		"one does not say when":       {[]outcome{refusal(1, 0), {status: 503, took: 1}}, 1},
		"nobody was answered at all":  {[]outcome{{took: time.Second}}, 1},
		"nobody was asked, who knows": {nil, 1},
	} {
		p := newPhase(c.outcomes)
		r := report{Outages: []outageRow{{System: "Ganglion, x", Closed: p}}}
		if got := strings.Count(r.text(), "**missed**"); got != c.missed {
			t.Errorf("%s: %d goals are missed, want %d:\n%s", name, got, c.missed, r.text())
		}
	}
	p := newPhase([]outcome{refusal(6*time.Millisecond, 5*time.Millisecond), {took: time.Second, unsent: time.Millisecond}})
	if p.AnswersSent.P99 != time.Millisecond || p.Answers.P99 != 6*time.Millisecond || p.Unsent.P99 != 5*time.Millisecond || p.Silent != 1 {
		t.Errorf("counted %+v", p)
	}
}
