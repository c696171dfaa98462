package scheduler

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// TestLargerRunsAlone: with RunLarger, a request of more rows than a batch has is answered, and shares its run with nobody.
func TestLargerRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(time.Second)
		s := newScheduler(t, Config{MaxBatchSize: 2, RunLarger: true}, f)
		var calls []*call
		for _, values := range [][]int64{{1}, {2, 3, 4}, {5}, {6}} {
			calls = append(calls, send(t.Context(), s, &Request{Inputs: []oip.Tensor{ints("x", 1, values...)}}))
			synctest.Wait()
		}
		for _, c := range calls {
			c.wantEcho(t)
		}
		if got := f.runs(); !slices.Equal(got, []int{1, 3, 2}) {
			t.Errorf("runs of %v rows, want [1 3 2]", got)
		}
	})
}

func TestResultsResize(t *testing.T) {
	r := NewResults(nil)
	r.Add("a", oip.Uint8, nil, 0)
	copy(r.Add("b", oip.Uint8, []int64{1}, 1), "b")
	copy(r.Resize(0, []int64{3}, 3), "aaa")
	got := r.Tensors()
	if len(got) != 2 || string(got[0].Data) != "aaa" || got[0].Shape[0] != 3 || string(got[1].Data) != "b" || got[0].Name != "a" {
		t.Errorf("got %v", got)
	}
}
