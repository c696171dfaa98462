package check_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/backend/check"
	"ganglion/internal/oip"
)

// TestSweep: all combinations are measured, in requests of so many rows, and told apart by the budget.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFake()
		// A run costs a millisecond, and rows cost nothing up to four; more cost a millisecond each.
		node.took = func(rows int64) time.Duration { return time.Duration(max(rows-3, 1)) * time.Millisecond }
		var steps []int
		r := run(t, node, pair(request, response), func(o *check.Options) {
			o.Duration, o.Clients, o.Budget, o.Runs = 2*time.Second, []int{1, 4}, 5*time.Millisecond, 2
			o.Progress = func(done, total int, what string) { steps = append(steps, 100*done/total) }
		})
		m := r.Models[0]
		if !r.Ready || m.Data != "double/test/a.request.json" {
			t.Fatalf("got %+v", r)
		}
		var cells []int64
		for _, c := range m.Sweep {
			cells = append(cells, c.Rows, int64(c.Clients))
			if want := float64(max(c.Rows-3, 1)); c.P50Ms != want || c.P99Ms != want || c.OverBudget != (c.Rows == 16) {
				t.Errorf("got %+v, want %v ms", c, want)
			}
		}
		if want := []int64{1, 1, 1, 4, 4, 1, 4, 4, 16, 1, 16, 4}; !slices.Equal(cells, want) {
			t.Errorf("measured %v, want %v", cells, want)
		}
		rec := m.Recommended
		if rec == nil || rec.MaxBatchSize != 4 || rec.Instances != 2 || rec.MaxQueueDelay != "0s" || !strings.Contains(rec.Reasons.MaxBatchSize, "over the budget") {
			t.Errorf("got %+v", rec)
		}
		if !slices.IsSorted(steps) || len(steps) < 6 || steps[len(steps)-1] > 100 {
			t.Errorf("progress was %v", steps)
		}
	})
}

// TestDelayIsRecommended: where small requests at once stay far below what full batches do.
func TestDelayIsRecommended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFake()
		node.batch = 4
		node.took = func(int64) time.Duration { return 10 * time.Millisecond } // a row alone as long as four, and no gain from each other
		r := run(t, node, pair(request, response), func(o *check.Options) { o.Duration, o.Clients = time.Second, []int{1, 8} })
		rec := r.Models[0].Recommended
		if rec == nil || rec.MaxBatchSize != 4 || rec.MaxQueueDelay != "5ms" {
			t.Errorf("got %+v", rec)
		}
	})
}

// TestOverBudget: a model whose single requests are too slow is not ready.
func TestOverBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFake()
		node.took = func(int64) time.Duration { return 20 * time.Millisecond }
		r := run(t, node, nil, func(o *check.Options) { o.Duration, o.Budget = time.Second, 10*time.Millisecond })
		wantProblem(t, r, "the p99 of one client with 1 rows is 20.0 ms, and the budget 10ms")
		if !strings.Contains(strings.Join(r.Models[0].Notes, "\n"), "measured with zeros") {
			t.Errorf("the notes do not say what was measured with: %q", r.Models[0].Notes)
		}
	})
}

// TestSlowModelsEndInTime: combinations that would take far longer than there is time are left out, and said.
func TestSlowModelsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFake()
		node.took = func(rows int64) time.Duration { return time.Duration(rows) * time.Second }
		began := time.Now()
		r := run(t, node, nil, func(o *check.Options) { o.Duration = time.Second })
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if notes := strings.Join(r.Models[0].Notes, "\n"); len(r.Models[0].Sweep) != 1 || !strings.Contains(notes, "were not measured") {
			t.Errorf("got %+v", r.Models[0])
		}
	})
}

// TestFailuresUnderLoad: the first one ends the sweep and the report says under which load.
func TestFailuresUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFake()
		node.most = 4
		node.took = func(int64) time.Duration { return time.Millisecond }
		r := run(t, node, nil, func(o *check.Options) { o.Duration = time.Second })
		wantProblem(t, r, "1 clients with 16 rows: out of memory")
		if r.Models[0].Recommended != nil {
			t.Errorf("got %+v of a model that fails", r.Models[0].Recommended)
		}
	})
}

// TestMadeUpRequestsMayBeRefused: that says nothing about the model, but that somebody should bring real data.
func TestMadeUpRequestsMayBeRefused(t *testing.T) {
	node := newFake()
	node.fail = oip.Errorf(oip.InvalidArgument, "a length of 1 is too short")
	r := run(t, node, nil, func(o *check.Options) { o.Duration = time.Second })
	if notes := strings.Join(r.Models[0].Notes, "\n"); !r.Ready || !strings.Contains(notes, "put test data beside it (a length of 1 is too short)") {
		t.Errorf("got %+v", r.Models[0])
	}
	if n := node.calls.Load(); n != 1 {
		t.Errorf("%d requests were sent, want the first only", n)
	}
}

// TestUnmeasuredKeepsNoBudget: a model that could not be measured is not ready by a budget that nobody held it against.
func TestUnmeasuredKeepsNoBudget(t *testing.T) {
	node := newFake()
	node.fail = oip.Errorf(oip.InvalidArgument, "a length of 1 is too short")
	r := run(t, node, nil, func(o *check.Options) { o.Duration, o.Budget = time.Second, time.Second })
	wantProblem(t, r, "it was not measured, and the budget is 1s: it refuses what was made up to measure with")
	if notes := strings.Join(r.Models[0].Notes, "\n"); strings.Contains(notes, "it was measured") {
		t.Errorf("the notes say otherwise: %q", notes)
	}
}

// TestMadeUpSizes: they are those that the configuration warms up with.
func TestMadeUpSizes(t *testing.T) {
	node := newFake()
	node.varies, node.warm = true, []int64{2}
	r := run(t, node, nil, func(o *check.Options) { o.Duration = 200 * time.Millisecond })
	if !r.Ready || len(r.Models[0].Sweep) == 0 {
		t.Errorf("got %+v", r.Models[0])
	}
}

// TestCancelledCheck: whoever ends it gets no report.
func TestCancelledCheck(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := check.DefaultOptions()
	o.Models = t.TempDir()
	if r, err := check.Run(ctx, newFake(), o); !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("got %v, %v", r, err)
	}
}
