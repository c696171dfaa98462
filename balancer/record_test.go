package balancer

import (
	"sync"
	"testing"
	"time"
)

// TestRecordingHasEveryDecision, with what was known and how it ended.
func TestRecordingHasEveryDecision(t *testing.T) {
	p, h := timed(t, equal(LeastLoad, 3))
	r := NewRecording(10)
	if !p.Record(r) || p.Record(NewRecording(1)) {
		t.Fatal("one recording, and no second one beside it, must be accepted")
	}
	m := p.Know("m")
	var tried Tried
	for _, o := range []Outcome{Faulty, Success} {
		lease, err := m.Pick(Ask{Key: 7}, &tried)
		if err != nil {
			t.Fatal(err)
		}
		h.advance(5 * time.Millisecond)
		lease.Node().Report(Load{Known: true, Queued: 2, InFlight: 1})
		lease.Done(o)
		d := <-r.Decisions()
		if d.Node != lease.Node() || d.Pool != p || d.Model != "m" || d.Ask.Key != 7 || d.Attempt != tried.Len() || d.Candidates != 3 ||
			d.Ahead != 1 || d.Took != 5*time.Millisecond || d.Outcome != o || d.Load.Queued != 2 || d.Picked.IsZero() {
			t.Errorf("recorded %+v", d)
		}
	}
	p.EndRecord(NewRecording(1)) // another one's
	attempt(t, p, Success)
	p.EndRecord(r)
	attempt(t, p, Success)
	if len(r.Decisions()) != 1 {
		t.Errorf("%d decisions, want that of the attempt before the end", len(r.Decisions()))
	}
	if !p.Record(r) {
		t.Error("a pool whose recording has ended cannot be recorded again")
	}
}

// TestRecordingDropsRatherThanWaits: nobody takes the decisions, and nobody who ends a lease notices.
func TestRecordingDropsRatherThanWaits(t *testing.T) {
	p := newPool(t, equal(LeastLoad, 3), Options{})
	r := NewRecording(100)
	p.Record(r)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 250 {
				attempt(t, p, Success)
			}
		})
	}
	workers.Wait()
	if len(r.Decisions()) != 100 || r.Dropped() != 900 {
		t.Errorf("%d held, %d dropped, want 100 and 900", len(r.Decisions()), r.Dropped())
	}
}
