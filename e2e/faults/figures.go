//go:build linux

package main

import (
	"errors"
	"slices"
	"time"

	"ganglion/internal/loadgen"
)

// figures are what a fault has cost. Durations are in nanoseconds in JSON; a nil one is what has not happened, or what
// there is none of.
type figures struct {
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"`
	Errors   map[string]int `json:"errors,omitempty"`

	Before  time.Duration `json:"p99_before"`
	During  time.Duration `json:"p99_during"`
	After   time.Duration `json:"p99_after"`
	Slowest time.Duration `json:"slowest"` // answer or failure, from the fault on

	Extra float64 `json:"extra_attempts"` // beyond one for each request, as a share of the requests

	Noticed *time.Duration `json:"noticed,omitempty"` // from the fault until the victim gets next to nothing
	Back    *time.Duration `json:"back,omitempty"`    // from its end until the victim has its share again
	Settled *time.Duration `json:"settled,omitempty"` // from the fault until p99 is what it was before

	Refused     int           `json:"refused,omitempty"` // answers of 503
	RefusedP99  time.Duration `json:"refused_p99,omitempty"`
	RefusedMost time.Duration `json:"refused_slowest,omitempty"`
	Unrefused   int           `json:"failed_otherwise,omitempty"` // failures that are no 503
	LateFailed  int           `json:"failed_after,omitempty"`     // failures when a node had been back for a second

	Lasted time.Duration `json:"lasted"` // the fault
}

// moments are when the fault began and ended, since the beginning of the load.
type moments struct{ broke, healed time.Duration }

// recovery is how long a gateway may take to find out that a node is back, after which nothing may fail.
const recovery = time.Second

// compute makes figures of what was seen. victim is its address, "" when there is no single one; slack is by how much p99 may
// exceed a quarter more than it was before, and still count as back.
func compute(w *watched, m moments, victim string, slack time.Duration) *figures {
	f := &figures{Requests: len(w.seen), Errors: map[string]int{}, Lasted: m.healed - m.broke}
	var before, during, after, refused []time.Duration
	for i := range w.seen {
		s := &w.seen[i]
		due := s.Due.Sub(w.began)
		if due >= m.broke {
			f.Slowest = max(f.Slowest, s.Took)
		}
		if s.Err != nil {
			f.fail(s, due >= m.healed+recovery)
			if is503(s.Err) {
				refused = append(refused, s.Took)
			}
			continue
		}
		switch {
		case due < m.broke:
			before = append(before, s.Took)
		case due < m.healed:
			during = append(during, s.Took)
		default:
			after = append(after, s.Took)
		}
	}
	f.Before, f.During, f.After = p99(before), p99(during), p99(after)
	f.Refused, f.RefusedP99 = len(refused), p99(refused)
	if len(refused) > 0 {
		f.RefusedMost = slices.Max(refused)
	}
	f.Settled = settled(w, m.broke, time.Duration(settledFactor*float64(f.Before))+slack)
	if len(w.samples) > 1 {
		attempts := w.samples[len(w.samples)-1].total() - w.samples[0].total()
		f.Extra = max(float64(attempts)/float64(len(w.seen))-1, 0)
	}
	if victim != "" {
		f.Noticed, f.Back = shares(w.samples, m, victim)
	}
	return f
}

func (f *figures) fail(s *loadgen.Seen, late bool) {
	f.Failed++
	f.Errors[s.Err.Error()]++
	if late {
		f.LateFailed++
	}
	if !is503(s.Err) {
		f.Unrefused++
	}
}

func is503(err error) bool {
	status, ok := errors.AsType[*loadgen.StatusError](err)
	return ok && status.Status == 503
}

// p99 is the duration that 99 of 100 do not exceed, 0 of none.
func p99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(99*len(all)+99)/100-1]
}

// What counts as p99 being what it was before: within a quarter, and for real nodes within a millisecond, since they answer in
// as little, at the mercy of whoever else uses the machine. It is taken over a second, of which there has to be a row.
const (
	settledFactor = 1.25
	settledSlack  = time.Millisecond
	settledOver   = time.Second
	settledStep   = 250 * time.Millisecond
	settledRow    = 4
)

// settled is how long after broke p99 was within limit, and stayed it for a while. A failure is no answer in time.
func settled(w *watched, broke, limit time.Duration) *time.Duration {
	var end time.Duration
	for i := range w.seen {
		end = max(end, w.seen[i].Due.Sub(w.began))
	}
	row := 0
	for from := broke; from+settledOver <= end; from += settledStep {
		var all []time.Duration
		for i := range w.seen {
			s := &w.seen[i]
			if due := s.Due.Sub(w.began); due < from || due >= from+settledOver {
				continue
			}
			took := s.Took
			if s.Err != nil {
				took = time.Hour
			}
			all = append(all, took)
		}
		if row++; p99(all) > limit {
			row = 0
		}
		if row == settledRow {
			d := from - (settledRow-1)*settledStep - broke
			return &d
		}
	}
	return nil
}

// A node gets next to nothing when it has less than a quarter of the share that it had before, and has its share again with
// more than half of that; either for half a second.
const (
	unfair    = 0.25
	fairAgain = 0.5
	shareOver = 100 * time.Millisecond
	shareRow  = 5
)

// shares says when the victim's share of the attempts fell after the fault, and when it was back after its end.
func shares(samples []sample, m moments, victim string) (noticed, back *time.Duration) {
	last := slices.IndexFunc(samples, func(s sample) bool { return s.at >= m.broke })
	if last < 1 {
		return nil, nil
	}
	usual := samples[0].shareUntil(&samples[last], victim)
	noticed = sustained(samples, m.broke, victim, func(share float64) bool { return share < unfair*usual })
	if noticed != nil {
		back = sustained(samples, m.healed, victim, func(share float64) bool { return share > fairAgain*usual })
	}
	return noticed, back
}

// shareUntil is the victim's share of the attempts between two samples, 0 when there were none.
func (s *sample) shareUntil(later *sample, victim string) float64 {
	all := later.total() - s.total()
	if all == 0 {
		return 0
	}
	return float64(later.attempts[victim]-s.attempts[victim]) / float64(all)
}

// sustained is how long after from the victim's share began to be as wanted for a row of times.
func sustained(samples []sample, from time.Duration, victim string, wanted func(share float64) bool) *time.Duration {
	row, began := 0, time.Duration(0)
	for i, j := 0, 0; i < len(samples); i = j {
		a := &samples[i]
		for j = i + 1; j < len(samples) && samples[j].at < a.at+shareOver; {
			j++
		}
		if j == len(samples) {
			return nil
		}
		if a.at < from || samples[j].total() == a.total() {
			continue
		}
		if !wanted(a.shareUntil(&samples[j], victim)) {
			row = 0
		} else if row++; row == 1 {
			began = a.at
		}
		if row == shareRow {
			d := began - from
			return &d
		}
	}
	return nil
}
