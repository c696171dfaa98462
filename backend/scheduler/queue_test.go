package scheduler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/oip"
)

func TestFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			cfg  Config
			says string
		}{
			"requests": {Config{Model: "iris", MaxQueueRequests: 2}, `Exceeds maximum queue size: model "iris" has 2 requests waiting`},
			"bytes":    {Config{Model: "iris", MaxQueueBytes: 16}, `Exceeds maximum queue size: the inputs waiting for model "iris" would take more than 16 bytes`},
		} {
			t.Log(name)
			s := newScheduler(t, c.cfg, lasting(time.Second))
			var accepted []*call
			for i := range 3 { // one runs and is not counted
				accepted = append(accepted, send(t.Context(), s, one(int64(i))))
				synctest.Wait()
			}
			refused := send(t.Context(), s, one(9))
			err := refused.wait()
			var client *oip.Error
			if !errors.Is(err, ErrQueueFull) || !errors.As(err, &client) || client.Code != oip.Unavailable || refused.took != 0 {
				t.Errorf("Infer gave %v after %v, want ErrQueueFull at once", err, refused.took)
			}
			if !strings.Contains(client.Msg, c.says) {
				t.Errorf("the client is told %q, want %q", client.Msg, c.says)
			}
			for _, c := range accepted {
				c.wantEcho(t)
			}
			send(t.Context(), s, one(10)).wantEcho(t) // there is room again
		}
	})
}

func TestRequestsAreRefusedForWhatTheyAre(t *testing.T) {
	batching := Config{Model: "m", MaxBatchSize: 4, PriorityLevels: 3}
	scalar := oip.Tensor{Name: "s", Datatype: oip.Uint8, Shape: nil, Data: []byte{1}}
	short := ints("x", 1, 1, 2)
	short.Data = short.Data[:8]
	for _, c := range []struct {
		r    *Request
		says string
	}{
		{&Request{Inputs: []oip.Tensor{ints("x", 1, 1, 2, 3, 4, 5)}}, `request has 5 rows, model "m" takes at most 4 at a time (max_batch_size)`},
		{&Request{Inputs: []oip.Tensor{ints("x", 1, 1, 2), ints("y", 1, 1)}}, `inputs "x" and "y" have 2 and 1 rows`},
		{&Request{Inputs: []oip.Tensor{scalar}}, `input "s" has no dimensions`},
		{&Request{Inputs: []oip.Tensor{short}}, `tensor "x" holds 8 bytes`},
		{&Request{Inputs: []oip.Tensor{ints("x", 1, 1)}, Priority: 4}, `priority 4: model "m" has the levels 1 (highest) to 3`},
		{&Request{Inputs: []oip.Tensor{ints("x", 1, 1)}, Priority: -1}, `priority -1`},
	} {
		runner := &fake{}
		err := newScheduler(t, batching, runner).Infer(t.Context(), c.r)
		var client *oip.Error
		if !errors.As(err, &client) || client.Code != oip.InvalidArgument || !strings.Contains(client.Msg, c.says) {
			t.Errorf("Infer gave %v, want an invalid argument with %q", err, c.says)
		}
		if len(runner.runs()) != 0 {
			t.Errorf("%q was run", c.says)
		}
	}
}

func TestModelThatDoesNotBatchRunsOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(time.Second)
		s := newScheduler(t, Config{}, runner)
		var calls []*call
		for i, r := range []*Request{
			one(1), one(1), one(2),
			{Inputs: []oip.Tensor{{Name: "flag", Datatype: oip.Bool, Shape: []int64{1}, Data: []byte{1}}, {Name: "scalar", Datatype: oip.Uint8, Data: []byte{7}}}},
		} {
			calls = append(calls, send(t.Context(), s, r))
			synctest.Wait()
			if s.Stats().QueuedRequests != int64(i) {
				t.Errorf("%d requests queued, want %d", s.Stats().QueuedRequests, i)
			}
		}
		for i, c := range calls {
			c.wantEcho(t)
			if want := time.Duration(i+1) * time.Second; c.took != want {
				t.Errorf("request %d took %v, want %v", i, c.took, want)
			}
		}
	})
}

// served sends requests to a busy scheduler and returns in which order they run: the first value of each run.
func served(t *testing.T, cfg Config, requests []*Request) (order []int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(time.Second)
		inner := runner.do
		runner.do = func(ctx context.Context, inputs []oip.Tensor) error {
			order = append(order, values(&inputs[0])[0])
			return inner(ctx, inputs)
		}
		s := newScheduler(t, cfg, runner)
		calls := []*call{send(t.Context(), s, one(-1))}
		for _, r := range requests {
			synctest.Wait()
			time.Sleep(time.Millisecond)
			calls = append(calls, send(t.Context(), s, r))
		}
		for _, c := range calls {
			c.wantEcho(t)
		}
	})
	return order[1:]
}

func TestOtherSignaturesDoNotBlock(t *testing.T) {
	wide := func(v int64) *Request { return &Request{Inputs: []oip.Tensor{ints("x", 2, v, v)}} }
	named := func(v int64) *Request { return &Request{Inputs: []oip.Tensor{ints("z", 1, v)}} }
	asked := func(v int64) *Request {
		return &Request{Inputs: []oip.Tensor{ints("x", 1, v)}, Want: []string{"x"}}
	}
	typed := func(v int64) *Request {
		r := one(v)
		r.Inputs[0].Datatype = oip.Uint64
		return r
	}
	// Five signatures come in turns. Each round would be five runs if a request only shared a run with its neighbours.
	for _, cfg := range []Config{{MaxBatchSize: 8}, {MaxBatchSize: 3, MaxQueueDelay: time.Minute}} {
		var requests []*Request
		for round := range int64(3) {
			for kind, make := range []func(int64) *Request{one, wide, named, asked, typed} {
				requests = append(requests, make(10*int64(kind)+round))
			}
		}
		got := served(t, cfg, requests)
		if want := []int64{0, 10, 20, 30, 40}; !slices.Equal(got, want) {
			t.Errorf("the runs began with %v, want %v: one for each signature, oldest first", got, want)
		}
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	rows := func(n int, v int64) *Request {
		return &Request{Inputs: []oip.Tensor{ints("x", 1, slices.Repeat([]int64{v}, n)...)}}
	}
	// 3 does not fit beside 1 and 2; 4, which would, does not overtake it.
	got := served(t, Config{MaxBatchSize: 4}, []*Request{rows(1, 1), rows(2, 2), rows(3, 3), rows(1, 4), rows(4, 5)})
	if want := []int64{1, 3, 5}; !slices.Equal(got, want) {
		t.Errorf("the runs began with %v, want %v", got, want)
	}
}

func TestEqualHashesAreTwoSignatures(t *testing.T) {
	asked := func(name string) *Request { return &Request{Inputs: one(1).Inputs, Want: []string{name}} }
	for what, pair := range map[string][2]*Request{
		"shapes":  {{Inputs: []oip.Tensor{ints("z", 1, 1)}}, {Inputs: []oip.Tensor{ints("z", 2, 1, 1)}}},
		"outputs": {asked("x"), asked("y")},
		"lengths": {row(1, 2, 3), row(1, 2, 3, 4, 5)},
	} {
		s := newScheduler(t, Config{MaxBatchSize: 8, Ragged: []Ragged{tokens}}, &fake{})
		for _, r := range pair {
			if err := s.admit(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			r.hash = 5
			s.queue.push(r)
		}
		if pair[0].lane == pair[1].lane {
			t.Errorf("requests of different %s share a lane because their hashes are equal", what)
		}
		for _, r := range []*Request{pair[1], pair[0]} {
			if s.queue.find(r) != r.lane {
				t.Error("a lane is not found behind another of the same hash")
			}
			s.queue.remove(r)
		}
		if s.queue.requests != 0 || s.queue.bytes != 0 || !s.queue.order.empty() || s.queue.buckets[5] != nil {
			t.Errorf("the queue is not empty: %+v", s.queue)
		}
	}
}

func ranked(v int64, priority int) *Request {
	r := one(v)
	r.Priority = priority
	return r
}

func TestPriorities(t *testing.T) {
	requests := func() []*Request {
		return []*Request{ranked(1, 3), ranked(2, 2), ranked(3, 1), ranked(4, 0), ranked(5, 1), ranked(6, 2)}
	}
	got := served(t, Config{PriorityLevels: 3, DefaultPriority: 2, PriorityStep: time.Minute}, requests())
	if want := []int64{3, 5, 2, 4, 6, 1}; !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
	got = served(t, Config{}, requests())
	if want := []int64{1, 2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("without levels served %v, want %v", got, want)
	}
}

// TestLowPriorityIsNotStarved keeps a queue full of urgent requests: one per run comes, and one unimportant request among
// them.
func TestLowPriorityIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{PriorityLevels: 2, PriorityStep: 5 * time.Second}, lasting(time.Second))
		stop := make(chan struct{})
		for range 3 {
			go func() {
				for {
					select {
					case <-stop:
						return
					default:
						if err := s.Infer(t.Context(), ranked(1, 1)); err != nil {
							t.Error(err)
						}
					}
				}
			}()
		}
		synctest.Wait()
		low := send(t.Context(), s, ranked(2, 2))
		low.wantEcho(t)
		if low.took < 5*time.Second || low.took > 10*time.Second {
			t.Errorf("the unimportant request took %v, want a little more than the 5s that its level costs", low.took)
		}
		close(stop)
		time.Sleep(10 * time.Second)
	})
}
