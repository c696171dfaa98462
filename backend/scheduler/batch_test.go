package scheduler

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

// texts makes a BYTES tensor with rows of the given width.
func texts(name string, width int, elements ...string) oip.Tensor {
	var data []byte
	for _, e := range elements {
		data = oip.AppendBytesElement(data, e)
	}
	return oip.Tensor{Name: name, Datatype: oip.Bytes, Shape: []int64{int64(len(elements) / width), int64(width)}, Data: data}
}

// together sends requests so that they share the second run of the scheduler.
func together(t *testing.T, cfg Config, runner *fake, requests ...*Request) []*call {
	t.Helper()
	inner, first := runner.do, true
	runner.do = func(ctx context.Context, inputs []oip.Tensor) error {
		if first {
			first = false
			return sleep(ctx, time.Hour)
		}
		if inner != nil {
			return inner(ctx, inputs)
		}
		return nil
	}
	s := newScheduler(t, cfg, runner)
	busy := send(t.Context(), s, &Request{Inputs: []oip.Tensor{ints("busy", 1, 0)}})
	synctest.Wait()
	var calls []*call
	for _, r := range requests {
		calls = append(calls, send(t.Context(), s, r))
		time.Sleep(time.Nanosecond) // the queue is in the order of time
	}
	busy.wantEcho(t)
	for _, c := range calls {
		c.wait()
	}
	return calls
}

func TestEachGetsItsOwnRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := &fake{}
		none := ints("x", 2)
		none.Shape[0] = 0
		calls := together(t, Config{MaxBatchSize: 16}, runner,
			&Request{Inputs: []oip.Tensor{ints("x", 2, 1, 2), texts("s", 2, "a", "")}},
			&Request{Inputs: []oip.Tensor{ints("x", 2, 3, 4, 5, 6, 7, 8), texts("s", 2, "bcd", "e", "", "", "fg", "hijklmnop")}},
			&Request{Inputs: []oip.Tensor{none, {Name: "s", Datatype: oip.Bytes, Shape: []int64{0, 2}}}},
			&Request{Inputs: []oip.Tensor{ints("x", 2, 9, 10), texts("s", 2, "\x00\x00", "é")}},
		)
		for _, c := range calls {
			c.wantEcho(t)
		}
		wantRuns(t, runner, 1, 5)
		if got := calls[1].r.Timing; got.Requests != 4 || got.Rows != 5 {
			t.Errorf("the batch is told as %d requests, %d rows; want 4, 5", got.Requests, got.Rows)
		}
	})
}

func TestOutputsAskedForAreThoseOfTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests []*Request
		for i := range int64(3) {
			requests = append(requests, &Request{Inputs: []oip.Tensor{ints("x", 1, i), ints("y", 1, i)}, Want: []string{"y"}})
		}
		for i, c := range together(t, Config{MaxBatchSize: 16}, &fake{}, requests...) {
			c.wantEcho(t)
			if len(c.r.Outputs) != 1 || c.r.Outputs[0].Name != "y" {
				t.Errorf("request %d got %d outputs, want only %q", i, len(c.r.Outputs), "y")
			}
		}
	})
}

// TestBatchOfOneIsNotCopied looks where the Runner's tensors lie.
func TestBatchOfOneIsNotCopied(t *testing.T) {
	var in, out *byte
	runner := runnerFunc(func(_ context.Context, inputs []oip.Tensor, _ []string, res *Results) error {
		in = &inputs[0].Data[0]
		data := res.Add("y", oip.Int64, inputs[0].Shape, 8)
		out = &data[0]
		return nil
	})
	s := newScheduler(t, Config{MaxBatchSize: 8}, runner)
	r := one(1)
	if err := s.Infer(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if in != &r.Inputs[0].Data[0] {
		t.Error("the input was copied")
	}
	if out != &r.Outputs[0].Data[0] {
		t.Error("the output was copied")
	}
}

type runnerFunc func(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error

func (f runnerFunc) Run(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error {
	return f(ctx, inputs, want, res)
}

// TestOutputsThatAreNoBatch has models give what cannot be taken apart.
func TestOutputsThatAreNoBatch(t *testing.T) {
	for says, give := range map[string]func(res *Results){
		`output "sum" of model "m" has shape [1] after a run of 2 rows: its first dimension is not the batch`: func(res *Results) {
			res.Put(ints("x", 1, 1, 2))
			res.Add("sum", oip.Uint8, []int64{1}, 1)
		},
		`output "scalar" of model "m" has shape []`:                    func(res *Results) { res.Add("scalar", oip.Uint8, nil, 1) },
		`output "short" of model "m": data ends before its shape does`: func(res *Results) { res.Add("short", oip.FP32, []int64{2, 3}, 20) },
		`output "long" of model "m" has 4 bytes more than its shape`:   func(res *Results) { res.Add("long", oip.FP32, []int64{2, 3}, 28) },
		`output "text" of model "m": data ends before its shape does`: func(res *Results) {
			res.Put(oip.Tensor{Name: "text", Datatype: oip.Bytes, Shape: []int64{2}, Data: []byte{0, 0, 0, 0, 9, 0, 0, 0, 'x'}})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			runs := 0
			s := newScheduler(t, Config{MaxBatchSize: 8}, runnerFunc(func(ctx context.Context, _ []oip.Tensor, _ []string, res *Results) error {
				runs++
				give(res)
				return sleep(ctx, time.Second)
			}))
			calls := []*call{send(t.Context(), s, one(0))}
			for i := range int64(2) {
				synctest.Wait()
				calls = append(calls, send(t.Context(), s, one(i)))
			}
			if err := calls[0].wait(); err != nil {
				t.Errorf("a batch of one got %v, want what the model gave", err)
			}
			for _, c := range calls[1:] {
				var client *oip.Error
				if err := c.wait(); !errors.As(err, &client) || client.Code != oip.Internal || !strings.Contains(client.Msg, says) {
					t.Errorf("Infer gave %v, want an internal error with %q", err, says)
				}
				if len(c.r.Outputs) != 0 {
					t.Errorf("a failed request has %d outputs", len(c.r.Outputs))
				}
			}
			if runs != 2 {
				t.Errorf("%d runs, want 2: running one by one does not mend a model", runs)
			}
		})
	}
}

func TestRunnerThatGivesTooFewOutputs(t *testing.T) {
	s := newScheduler(t, Config{}, &fake{})
	err := s.Infer(t.Context(), &Request{Inputs: []oip.Tensor{ints("x", 1, 1)}, Want: []string{"x", "y"}})
	if err == nil || !strings.Contains(err.Error(), "gave 1 outputs, 2 were asked for") {
		t.Errorf("Infer gave %v", err)
	}
}

// TestResultsLiveUntilReleased keeps the results of many batches and looks at them at the end.
func TestResultsLiveUntilReleased(t *testing.T) {
	s := newScheduler(t, Config{MaxBatchSize: 8}, &fake{})
	var kept []*Request
	for i := range int64(20) {
		r := one(i)
		if err := s.Infer(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range kept {
		wantEcho(t, r)
		r.Release()
		r.Release()
		if len(r.Outputs) != 0 {
			t.Error("outputs outlive Release")
		}
	}
}

func TestLeaderIsLastToExpireOrAtHand(t *testing.T) {
	b := &batch{}
	for _, deadline := range []time.Duration{3, 7, 7, 5} {
		b.items = append(b.items, item{request: &Request{admitted: admitted{deadline: deadline}}})
	}
	if b.elect(nil) != b.items[1].request {
		t.Error("the leader is not the first of those with the latest deadline")
	}
	if self := b.items[2].request; b.elect(self) != self {
		t.Error("a goroutine is woken to lead where one is running that could")
	}
	if b.elect(b.items[3].request) != b.items[1].request {
		t.Error("the leader is at hand, but not the last to expire")
	}
}
