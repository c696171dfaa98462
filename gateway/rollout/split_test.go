package rollout

import (
	"math"
	"testing"
)

func TestSplitTakesItsShareOfAnyRun(t *testing.T) {
	for _, percent := range []float64{0.1, 1, 5, 12.5, 33, 50, 90, 99.9} {
		s := NewSplit(percent)
		taken := 0
		for n := 1; n <= 100_000; n++ {
			if s.Take() {
				taken++
			}
			// Rolling dice would stray by hundreds here.
			if want := percent / 100 * float64(n); math.Abs(float64(taken)-want) > 4 {
				t.Fatalf("%v%% of the first %d requests: took %d, want %.1f", percent, n, taken, want)
			}
		}
	}
}

// Clients that take turns must each get the share, whatever their number.
func TestSplitTreatsTurnTakersAlike(t *testing.T) {
	const requests = 100_000
	for _, clients := range []int{2, 3, 10, 20, 100} {
		s := NewSplit(5)
		taken := make([]int, clients)
		for n := range requests {
			if s.Take() {
				taken[n%clients]++
			}
		}
		want := 0.05 * requests / float64(clients)
		for c, got := range taken {
			if math.Abs(float64(got)-want) > 5 {
				t.Errorf("client %d of %d: %d of its requests were taken, want about %.0f", c, clients, got, want)
			}
		}
	}
}

func TestSplitAtItsEnds(t *testing.T) {
	none, all := NewSplit(0), NewSplit(100)
	for range 1000 {
		if none.Take() {
			t.Fatal("0% took a request")
		}
		if !all.Take() {
			t.Fatal("100% left a request")
		}
	}
}

func TestChoiceIsForcedByItsHeader(t *testing.T) {
	c := NewChoice(50, "X-Canary")
	for range 100 {
		if !c.Canary([]byte("always")) {
			t.Fatal(`"always" did not force the canary`)
		}
		if c.Canary([]byte("never")) {
			t.Fatal(`"never" did not force the stable variant`)
		}
	}
	canary := 0
	for range 1000 {
		if c.Canary([]byte("maybe")) {
			canary++
		}
	}
	if canary < 498 || canary > 502 {
		t.Errorf("any other value: %d of 1000 to the canary, want about 500", canary)
	}
}

func TestSplitDoesNotAllocate(t *testing.T) {
	s := NewSplit(5)
	if n := testing.AllocsPerRun(1000, func() { s.Take() }); n != 0 {
		t.Errorf("Take allocates %v times", n)
	}
}
