package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestAgendaIsInOrder plans in any order and takes in that of time, those of one time as they were planned.
func TestAgendaIsInOrder(t *testing.T) {
	var a agenda
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		a.plan(event{at: time.Duration(r.IntN(50)), what: int32(i)})
		if i%3 == 0 {
			a.take()
		}
	}
	var last event
	for first := true; !a.empty(); first = false {
		e := a.take()
		if !first && (e.at < last.at || e.at == last.at && e.what < last.what) {
			t.Fatalf("%+v after %+v", e, last)
		}
		last = e
	}
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	var q queue
	var want []int32
	r := rand.New(rand.NewPCG(1, 2))
	for i := range int32(2000) {
		switch r.IntN(5) {
		case 0, 1:
			q.push(i)
			want = append(want, i)
		case 2:
			q.pushFront(i)
			want = slices.Insert(want, 0, i)
		default:
			if q.count == 0 {
				continue
			}
			if got := q.pop(); got != want[0] {
				t.Fatalf("pop = %d, want %d", got, want[0])
			}
			want = want[1:]
		}
		if q.count != len(want) {
			t.Fatalf("%d in the queue, want %d", q.count, len(want))
		}
	}
}

// TestBurstsKeepTheMeanRate counts arrivals in and between bursts.
func TestBurstsKeepTheMeanRate(t *testing.T) {
	s := find(t, "bursts, 1 × 8")
	requests := s.draw(1, 100_000)
	inside := 0
	for _, r := range requests {
		if r.at%s.bursts.period < s.bursts.length {
			inside++
		}
	}
	took := requests[len(requests)-1].at.Seconds()
	if rate := float64(len(requests)) / took / s.rate(); math.Abs(rate-1) > 0.02 {
		t.Errorf("the rate is %.3f times the mean", rate)
	}
	if part := float64(inside) / float64(len(requests)); math.Abs(part-1.75/4) > 0.01 {
		t.Errorf("%.3f of the requests come in bursts, want %.3f", part, 1.75/4)
	}
}

// TestHerdIsTheLargestShareOfAWindow makes one window in which a node gets three times its share.
func TestHerdIsTheLargestShareOfAWindow(t *testing.T) {
	h := newHerd(&scenario{nodes: 4, model: plain, speeds: []float64{1, 1, 1, 3}}) // fair: 1/6, 1/6, 1/6, 1/2
	at := func(window, picks int, node int32) {
		for range picks {
			h.picked(time.Duration(window)*herdWindow+time.Millisecond, node)
		}
	}
	at(1, 60, 0) // the beginning is not looked at
	for node := range int32(3) {
		at(5, 10, node)
	}
	at(5, 30, 3) // fair
	at(6, 30, 0) // of 60: half instead of a sixth
	at(6, 30, 3)
	at(7, 12, 0) // of 12: a fair share would be two, which says nothing
	at(8, 1, 0)  // ends the window before
	h.changed(9*herdWindow, &node{index: 3, speed: 3})
	at(10, 60, 0) // gateways may not have noticed yet
	at(40, 20, 1) // of 40: half instead of a third, now that the quick one is dead
	at(40, 20, 2)
	at(41, 1, 0)
	if math.Abs(h.largest-3) > 1e-9 {
		t.Errorf("largest share is %g times the fair one, want 3", h.largest)
	}
}

// TestNodeSaysItsLoadAtMostEveryMillisecond, as the real one does.
func TestNodeSaysItsLoadAtMostEveryMillisecond(t *testing.T) {
	n := newNode(0, plain, 1, &queue{})
	if l := n.loadNow(0); !l.Known || l.Queued != 0 || l.Wait != 0 {
		t.Errorf("idle node says %+v", l)
	}
	n.forecast.Ran(1, 8*time.Millisecond)
	n.running[0].exchanges, n.running[0].until, n.busy = []int32{0}, 5*time.Millisecond+1, 1
	n.queue.push(1)
	if l := n.loadNow(time.Millisecond); l.InFlight != 0 {
		t.Errorf("after a millisecond the node has looked again: %+v", l)
	}
	if l := n.loadNow(time.Millisecond + 1); l.Queued != 1 || l.InFlight != 1 || l.Wait != 12*time.Millisecond {
		t.Errorf("busy node says %+v, want one running, one queued and what is left of a run and another to wait", l)
	}
}
