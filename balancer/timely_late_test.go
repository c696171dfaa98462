package balancer

import (
	"testing"
	"time"
)

// TestTimelyLeavesANodeThatHangs: what a node said of its runs before it hung is soon believed no more. Without that it gets its share and
// more, until it is found out to be silent.
func TestTimelyLeavesANodeThatHangs(t *testing.T) {
	const run, nodes, batch = 10 * time.Millisecond, 4, 16
	for _, gap := range []time.Duration{250 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond} {
		s := newTrains(t, nodes, batch, run)
		for range 500 {
			s.advance(gap)
			s.send()
		}
		hung := &s.nodes[0]
		hung.running, hung.ends = append(hung.running, nil), s.now()+time.Hour
		got := 0
		for range int(time.Second / gap) {
			s.advance(gap)
			if s.send() == 0 {
				got++
			}
		}
		// In the time of the runs for which it is believed, and as long again, it gets its share; and it has to get one to owe one.
		if most := 1 + int(2*overdue*run/gap)/nodes; got > most {
			t.Errorf("one request each %v: the node that hangs got %d in a second, want %d at most", gap, got, most)
		}
	}
}

// TestTimelyIsNotFooledByANodeThatIsNeverBusy: who says that it would begin at once whatever it holds gets what fits into few runs.
func TestTimelyIsNotFooledByANodeThatIsNeverBusy(t *testing.T) {
	const nodes, batch = 4, 16
	s := newTrains(t, nodes, batch, 10*time.Millisecond)
	liar := &s.nodes[0]
	liar.lies = true
	most := int64(0)
	for range 8000 { // a quarter of it is more than it can do
		s.advance(250 * time.Microsecond)
		s.send()
		most = max(most, liar.place.inflight.Load())
	}
	if most > 3*batch {
		t.Errorf("the node that is never busy by its own word held %d requests, want %d at most, with runs of %d", most, 3*batch, batch)
	}
}

// TestTimelyForgetsWhatAnOlderNodeDoesNotSay has a node that said when its runs begin come back as one that does not.
func TestTimelyForgetsWhatAnOlderNodeDoesNotSay(t *testing.T) {
	s := newTrains(t, 2, 16, 10*time.Millisecond)
	p := s.nodes[0].place
	p.node.Hear(Load{Known: true, InFlight: 1, Worked: time.Millisecond}, 0)
	lease, node := s.pick(nil)
	for node != 0 {
		lease.Done(Success)
		lease, node = s.pick(nil)
	}
	if lease.Within() == 0 || !p.node.load.timed.Load() {
		t.Fatal("the node does not count as one that says what it runs")
	}
	lease.Unsaid()
	lease.Done(Success)
	p.node.Hear(Load{Known: true, InFlight: 1}, 0)
	if p.opening.known() || p.node.load.timed.Load() {
		t.Errorf("it answers as an older one, and its word counts still: of runs %v, of its work %v", p.opening.known(), p.node.load.timed.Load())
	}
}
