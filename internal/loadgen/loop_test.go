package loadgen

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// fake answers each question as the test says.
type fake struct{ answer func(i int) reply }

func (f fake) metadata(context.Context) (oip.ModelMetadata, error) { return oip.ModelMetadata{}, nil }
func (f fake) statistics(context.Context) []oip.ModelStatistics    { return nil }
func (f fake) prepare([]oip.InferRequest) error                    { return nil }
func (f fake) ask(_, i int, _ bool) reply                          { return f.answer(i) }
func (f fake) close()                                              {}
func asked(cfg Config, answer func(i int) reply) *Result {
	cfg.Questions = 1 << 20
	r := newRun(&cfg, fake{answer}, cfg.Duration)
	r.do(context.Background(), false)
	return r.result(oip.ModelMetadata{Name: "m"}, 0, nil, 0)
}

// stalls is a server that answers in a millisecond, but for half a second once.
func stalls(i int) reply {
	if i == 10 {
		time.Sleep(500 * time.Millisecond)
	}
	time.Sleep(time.Millisecond)
	return reply{}
}

func TestOpenLoopChargesAStallForAllThatWereDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := asked(Config{Clients: 1, Rate: 100, Duration: time.Second}, stalls)
		if r.Answers != 100 {
			t.Errorf("%d answers, want the 100 that were due", r.Answers)
		}
		// The stall hits question 10, and those due in the half second after it waited 490, 480, … ms.
		if r.Latency.P90 < 300*time.Millisecond || r.Latency.Max < 500*time.Millisecond {
			t.Errorf("p90 %s, max %s: the stall is hidden", r.Latency.P90, r.Latency.Max)
		}
		if r.Late < 0.3 {
			t.Errorf("%.2f of the questions were late, want about half", r.Late)
		}
	})
}

func TestClosedLoopAsksWhenItHasItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := asked(Config{Clients: 4, Duration: time.Second}, func(int) reply {
			time.Sleep(10 * time.Millisecond)
			return reply{}
		})
		if r.Answers < 396 || r.Answers > 404 || r.Rate < 390 || r.Rate > 402 { // the last ones end a little after the time is up
			t.Errorf("%d answers at %.1f/s, want 400 of 4 clients in a second", r.Answers, r.Rate)
		}
		if r.Latency.P50 < 10*time.Millisecond || r.Latency.P99 > 11*time.Millisecond {
			t.Errorf("p50 %s, p99 %s, want 10 ms", r.Latency.P50, r.Latency.P99)
		}
	})
}

func TestIdleClientsAreOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := asked(Config{Clients: 8, Rate: 200, Duration: time.Second}, func(int) reply {
			time.Sleep(3 * time.Millisecond)
			return reply{}
		})
		if r.Answers != 200 || r.Late != 0 || r.Latency.Max > 3100*time.Microsecond {
			t.Errorf("%d answers, %.2f late, max %s", r.Answers, r.Late, r.Latency.Max)
		}
	})
}

func TestFailuresAreCountedByKindAndLeftOutOfLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := asked(Config{Clients: 1, Duration: time.Second}, func(i int) reply {
			if i%2 == 0 {
				time.Sleep(20 * time.Millisecond)
				return reply{err: errors.New("503: no node")}
			}
			time.Sleep(time.Millisecond)
			return reply{cached: true}
		})
		if r.Failed != r.Errors["503: no node"] || r.Failed < 40 {
			t.Errorf("%d failed: %v", r.Failed, r.Errors)
		}
		if r.Latency.Max > 2*time.Millisecond || r.Cached != 1 {
			t.Errorf("max %s, cached %.2f", r.Latency.Max, r.Cached)
		}
	})
}

func TestKindsOfErrorsAreBounded(t *testing.T) {
	c := client{errors: map[string]uint64{}}
	for i := range 1000 {
		c.count(reply{err: errors.New(time.Duration(i).String())}, 0, false)
	}
	if len(c.errors) != manyErrors+1 || c.errors["others"] != 1000-manyErrors {
		t.Errorf("%d kinds, %d others", len(c.errors), c.errors["others"])
	}
}
