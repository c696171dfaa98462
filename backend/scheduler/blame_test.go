package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// marked is an error of an engine that says whether input may have caused it.
type marked bool

func (m marked) Error() string         { return fmt.Sprintf("input may be at fault: %v", bool(m)) }
func (m marked) BatchSplittable() bool { return bool(m) }

// failingFor makes runs fail that have any of the values among their input.
func failingFor(err error, bad ...int64) *fake {
	return &fake{do: func(_ context.Context, inputs []oip.Tensor) error {
		for _, v := range values(&inputs[0]) {
			if slices.Contains(bad, v) {
				return fmt.Errorf("run: %w", err)
			}
		}
		return nil
	}}
}

func TestBadRequestFailsAlone(t *testing.T) {
	for _, blame := range []error{marked(true), oip.Errorf(oip.InvalidArgument, "bad index")} {
		synctest.Test(t, func(t *testing.T) {
			runner := failingFor(blame, 2, 4)
			calls := together(t, Config{MaxBatchSize: 8}, runner, one(1), one(2), one(3), one(4), one(5))
			for i, c := range calls {
				if i == 1 || i == 3 {
					if err := c.wait(); !errors.Is(err, blame) || len(c.r.Outputs) != 0 {
						t.Errorf("bad request %d got %v and %d outputs, want its own error", i, err, len(c.r.Outputs))
					}
				} else {
					c.wantEcho(t)
				}
			}
			wantRuns(t, runner, 1, 5, 1, 1, 1, 1, 1)
		})
	}
}

func TestErrorsThatInputDidNotCauseFailTheBatch(t *testing.T) {
	for _, err := range []error{marked(false), errors.New("sticky"), oip.Errorf(oip.Internal, "no memory")} {
		synctest.Test(t, func(t *testing.T) {
			runner := failingFor(err, 2)
			for _, c := range together(t, Config{MaxBatchSize: 8}, runner, one(1), one(2), one(3)) {
				if got := c.wait(); !errors.Is(got, err) {
					t.Errorf("Infer gave %v, want %v", got, err)
				}
			}
			wantRuns(t, runner, 1, 3)
		})
	}
}

// TestSplitBatchKeepsItsPlace has requests wait behind a batch that is run again one by one, one of which expires meanwhile.
func TestSplitBatchKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int64
		runner := failingFor(marked(true), 2)
		inner := runner.do
		runner.do = func(ctx context.Context, inputs []oip.Tensor) error {
			order = append(order, values(&inputs[0])[0])
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
			return inner(ctx, inputs)
		}
		s := newScheduler(t, Config{MaxBatchSize: 4}, runner)
		var calls []*call
		for i, r := range []*Request{one(0), one(1), one(2), due(3, 4500*time.Millisecond), one(4), one(5), one(6)} {
			calls = append(calls, send(t.Context(), s, r))
			synctest.Wait()
			if i == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		// 0; 1 to 4 fail; then 1, 2 and 3 alone, the last of which is stopped; 4 alone; 5 and 6.
		wantTimeout(t, calls[3], 4499*time.Millisecond) // it came a millisecond after its making
		for i, c := range calls {
			switch i {
			case 2:
				if err := c.wait(); !errors.Is(err, marked(true)) {
					t.Errorf("the bad request got %v", err)
				}
			case 3:
			default:
				c.wantEcho(t)
			}
		}
		if got, want := fmt.Sprint(order), "[0 1 1 2 3 4 5]"; got != want {
			t.Errorf("runs began with %v, want %v", got, want)
		}
	})
}

func TestPanicFailsItsBatchOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var input, output []*byte // of each run of several
		runner := runnerFunc(func(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error {
			if inputs[0].Shape[0] == 1 {
				echo(inputs, want, res)
				return sleep(ctx, time.Second)
			}
			echo(inputs, want, res)
			input, output = append(input, &inputs[0].Data[0]), append(output, &res.tensors[0].Data[0])
			if len(input) == 2 {
				panic("index out of range")
			}
			return nil
		})
		s := newScheduler(t, Config{MaxBatchSize: 8}, runner)
		for round := range 3 {
			busy := send(t.Context(), s, one(0))
			synctest.Wait()
			pair := []*call{send(t.Context(), s, one(1)), send(t.Context(), s, one(2))}
			busy.wait()
			for _, c := range pair {
				var panicked *PanicError
				switch err := c.wait(); {
				case round != 1:
					c.wantEcho(t)
				case !errors.As(err, &panicked) || panicked.Value != "index out of range" || len(panicked.Stack) == 0:
					t.Errorf("Infer gave %v, want a PanicError", err)
				}
				c.r.Release()
			}
			busy.r.Release()
		}
		if input[0] != input[1] || output[0] != output[1] {
			t.Error("memory is not used again from run to run")
		}
		if input[1] == input[2] || output[1] == output[2] {
			t.Error("memory is used again that something outside of Go may still be writing to")
		}
	})
}
