package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/oip"
)

// TestRandomRequests throws everything at a scheduler at once: many goroutines send requests of changing signatures, sizes,
// lengths and priorities, of which some expire, some are cancelled, some are bad, and some runs fail or panic. Every request
// is to be answered once, with an answer that is its own: outputs carry the sender's mark. Requests' memory is scribbled over
// as soon as Infer has returned, so that the race detector sees whoever reads it later.
func TestRandomRequests(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain":   {MaxBatchSize: 8},
		"delayed": {MaxBatchSize: 16, MaxQueueDelay: 200 * time.Microsecond, PreferredSizes: []int{4, 8}, PriorityLevels: 3, PriorityStep: time.Millisecond},
		"ragged":  {MaxBatchSize: 16, Ragged: []Ragged{{Inputs: tokens.Inputs, Mask: tokens.Mask, Outputs: tokens.Outputs, Buckets: []int64{3, 6}}}},
		"single":  {PriorityLevels: 2},
		"tight":   {MaxBatchSize: 4, MaxQueueRequests: 3, MaxQueueBytes: 200, MaxQueueDelay: 100 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			memory := &countedMemory{}
			cfg.Memory = memory
			counts := &counter{}
			cfg.Observer = counts
			panics := name == "plain" || name == "delayed"
			runners := []Runner{&moody{t: t, panics: panics}, &moody{t: t, panics: panics}, &moody{t: t, panics: panics}}
			s := newScheduler(t, cfg, runners[:1+len(name)%3]...)
			sent := stress(t, s)
			if err := s.Close(context.Background()); err != nil {
				t.Errorf("Close: %v", err)
			}
			counts.check(t, sent)
			if left := memory.live.Load(); left != 0 && !panics {
				t.Errorf("%d buffers were not given back", left)
			}
		})
	}
}

// stress sends from many goroutines and returns how many requests that were.
func stress(t *testing.T, s *Scheduler) (sent int64) {
	senders, each := 24, 200
	if testing.Short() {
		each = 50
	}
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(sender), 1))
			r := new(Request)
			for i := range each {
				one := &sending{s: s, r: r, random: random, mark: int64(sender)<<32 | int64(i)<<8}
				if err := one.send(); err != nil {
					t.Errorf("sender %d, request %d: %v", sender, i, err)
				}
			}
			r.Release()
		})
	}
	wg.Wait()
	return int64(senders * each)
}

// sending is one request of the test.
type sending struct {
	s      *Scheduler
	r      *Request
	random *rand.Rand
	mark   int64
	bad    bool
}

// badMark makes a run fail that has it among its inputs.
const badMark = -1

func (o *sending) send() error {
	o.fill()
	ctx := context.Background()
	switch o.random.IntN(6) {
	case 0:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.random.IntN(2000))*time.Microsecond)
		defer cancel()
	case 1:
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(time.Duration(o.random.IntN(2000))*time.Microsecond, cancel).Stop()
	case 2:
		o.r.Deadline = time.Now().Add(time.Duration(o.random.IntN(3000)) * time.Microsecond)
	}
	err := o.s.Infer(ctx, o.r)
	defer o.scribble()
	var panicked *PanicError
	switch {
	case err == nil && o.bad:
		return errors.New("a bad request succeeded")
	case err == nil:
		return o.check()
	case len(o.r.Outputs) != 0:
		return fmt.Errorf("outputs beside %w", err)
	case errors.Is(err, marked(true)) && !o.bad:
		return errors.New("a good request was blamed")
	case errors.Is(err, marked(true)), errors.Is(err, marked(false)), errors.As(err, &panicked):
		return nil
	case errors.Is(err, ErrQueueFull), errors.Is(err, ErrTimeout), errors.Is(err, context.Canceled):
		return nil
	default:
		return err
	}
}

// fill makes the request: x is the mark and the row, s repeats them as text.
func (o *sending) fill() {
	rows, width := o.random.IntN(5), 1+o.random.IntN(6)
	if o.s.cfg.MaxBatchSize > 0 && rows > o.s.cfg.MaxBatchSize {
		rows = o.s.cfg.MaxBatchSize
	}
	x, s := ints("x", width), texts("s", width)
	x.Shape[0], s.Shape[0] = int64(rows), int64(rows)
	for i := range rows * width {
		v := ints("", 1, o.mark|int64(i))
		x.Data = append(x.Data, v.Data...)
		s.Data = oip.AppendBytesElement(s.Data, fmt.Sprint(o.mark | int64(i))[:1+i%3])
	}
	if o.bad = rows > 0 && o.random.IntN(20) == 0; o.bad {
		copy(x.Data, ints("", 1, badMark).Data)
	}
	*o.r = Request{wake: o.r.wake, dims: o.r.dims, Outputs: o.r.Outputs[:0], held: o.r.held} // as a pool's user would reset it
	o.r.Inputs = []oip.Tensor{x, s}
	if o.random.IntN(4) == 0 {
		o.r.Inputs = o.r.Inputs[:1]
	}
	o.r.Priority = o.random.IntN(3)
	if o.s.cfg.PriorityLevels > 0 {
		o.r.Priority = min(o.r.Priority, o.s.cfg.PriorityLevels)
	}
}

func (o *sending) check() error {
	found := 0
	for i := range o.r.Outputs {
		for j := range o.r.Inputs {
			if in, out := &o.r.Inputs[j], &o.r.Outputs[i]; in.Name == out.Name {
				found++
				if !equal(in, out) {
					return fmt.Errorf("output %q is %v % x, want %v % x", out.Name, out.Shape, out.Data, in.Shape, in.Data)
				}
			}
		}
	}
	if found != len(o.r.Inputs) {
		return fmt.Errorf("%d of %d outputs", found, len(o.r.Inputs))
	}
	return nil
}

func (o *sending) scribble() {
	for i := range o.r.Inputs {
		clear(o.r.Inputs[i].Data)
		clear(o.r.Inputs[i].Shape)
	}
	if o.random.IntN(8) > 0 {
		o.r.Release() // otherwise the next Infer does it
	}
}

// moody is a Runner that sometimes takes its time, fails or panics.
type moody struct {
	t      *testing.T
	panics bool
	busy   atomic.Bool
}

func (m *moody) Run(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error {
	if !m.busy.CompareAndSwap(false, true) {
		m.t.Error("two runs on one instance")
	}
	defer m.busy.Store(false)
	for i := range inputs {
		if err := inputs[i].Validate(); err != nil {
			m.t.Errorf("a run was given %v", err)
		}
	}
	if slices.Contains(values(&inputs[0]), badMark) {
		return marked(true)
	}
	switch rand.IntN(100) {
	case 0:
		return marked(false)
	case 1:
		if !m.panics {
			break
		}
		res.Add("x", oip.Int64, []int64{1, 1}, 8)
		panic("moody")
	case 2, 3, 4, 5, 6, 7, 8, 9:
		if err := sleep(ctx, time.Duration(rand.IntN(3000))*time.Microsecond); err != nil {
			return err
		}
	}
	echo(inputs, want, res)
	return nil
}

// counter adds up what an Observer is told.
type counter struct {
	answers [outcomes]atomic.Int64
	runs    atomic.Int64
}

func (c *counter) Ran(Run) { c.runs.Add(1) }

func (c *counter) Answered(a Answer) { c.answers[a.Outcome].Add(1) }

func (c *counter) check(t *testing.T, sent int64) {
	total := int64(0)
	for outcome := range outcomes {
		n := c.answers[outcome].Load()
		total += n
		t.Logf("%5d %v", n, outcome)
	}
	t.Logf("%5d runs", c.runs.Load())
	if total != sent {
		t.Errorf("%d answers for %d requests", total, sent)
	}
	// Where the queue is tight and a machine busy with other things, most requests are refused, and at once.
	if c.answers[Succeeded].Load() < min(sent/10, 50) || c.answers[Invalid].Load() > 0 {
		t.Error("too few requests got anywhere for this to be a test")
	}
}

// countedMemory counts the buffers that are out.
type countedMemory struct {
	heapMemory
	live  atomic.Int64
	taken sync.Map
}

func (m *countedMemory) Alloc(size int) []byte {
	m.live.Add(1)
	data := m.heapMemory.Alloc(size)
	m.taken.Store(&data[0], true)
	return data
}

func (m *countedMemory) Free(data []byte) {
	m.live.Add(-1)
	if _, ours := m.taken.LoadAndDelete(&data[0]); !ours {
		panic("freed twice")
	}
}
