package scheduler

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/oip"
)

// fake is a Runner that gives every input back as an output of the same name, after do has had its say.
type fake struct {
	do func(ctx context.Context, inputs []oip.Tensor) error // nil does nothing

	mu       sync.Mutex
	sizes    []int // rows of each run
	shapes   [][]int64
	atOnce   int // runs under way
	overlaps int // runs that began while another was under way
}

func (f *fake) Run(ctx context.Context, inputs []oip.Tensor, want []string, res *Results) error {
	f.mu.Lock()
	f.sizes = append(f.sizes, int(inputs[0].Shape[0]))
	f.shapes = append(f.shapes, append([]int64(nil), inputs[0].Shape...))
	if f.atOnce++; f.atOnce > 1 {
		f.overlaps++
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.atOnce--
		f.mu.Unlock()
	}()
	if f.do != nil {
		if err := f.do(ctx, inputs); err != nil {
			return err
		}
	}
	echo(inputs, want, res)
	return nil
}

// runs returns the rows of each run so far.
func (f *fake) runs() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.sizes...)
}

func echo(inputs []oip.Tensor, want []string, res *Results) {
	for i := range inputs {
		t := &inputs[i]
		if len(want) == 0 || want[0] == t.Name {
			copy(res.Add(t.Name, t.Datatype, t.Shape, len(t.Data)), t.Data)
		}
	}
}

// lasting makes every run of a fake last d, or until it is stopped.
func lasting(d time.Duration) *fake {
	return &fake{do: func(ctx context.Context, _ []oip.Tensor) error { return sleep(ctx, d) }}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stoppable is a fake that is told by Stop instead of its context.
type stoppable struct {
	fake
	stop  chan struct{}
	stops atomic.Int32
}

func newStoppable(d time.Duration) *stoppable {
	s := &stoppable{stop: make(chan struct{}, 1)}
	s.do = func(context.Context, []oip.Tensor) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-s.stop:
			return context.Canceled
		}
	}
	return s
}

func (s *stoppable) Stop() {
	s.stops.Add(1)
	s.stop <- struct{}{}
}

func newScheduler(t testing.TB, cfg Config, runners ...Runner) *Scheduler {
	t.Helper()
	if cfg.Model == "" {
		cfg.Model = "m"
	}
	s, err := New(cfg, runners...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if load := s.Stats(); load != (Stats{Instances: int64(len(runners))}) {
			t.Errorf("after Close the load is %+v, want nothing", load)
		}
	})
	return s
}

// ints makes an INT64 tensor with rows of the given width.
func ints(name string, width int, values ...int64) oip.Tensor {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return oip.Tensor{Name: name, Datatype: oip.Int64, Shape: []int64{int64(len(values) / width), int64(width)}, Data: data}
}

// values reads an INT64 tensor.
func values(t *oip.Tensor) (values []int64) {
	for data := t.Data; len(data) > 0; data = data[8:] {
		values = append(values, int64(binary.LittleEndian.Uint64(data)))
	}
	return values
}

// one makes a request of one row with one value.
func one(value int64) *Request { return &Request{Inputs: []oip.Tensor{ints("x", 1, value)}} }

// call is an Infer under way.
type call struct {
	r     *Request
	err   error
	took  time.Duration
	ended chan struct{}
}

// send calls Infer on a goroutine of its own.
func send(ctx context.Context, s *Scheduler, r *Request) *call {
	c := &call{r: r, ended: make(chan struct{})}
	start := time.Now()
	go func() {
		defer close(c.ended)
		c.err = s.Infer(ctx, r)
		c.took = time.Since(start)
	}()
	return c
}

// over reports whether the call has returned.
func (c *call) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// wait returns the call's error when it has returned.
func (c *call) wait() error {
	<-c.ended
	return c.err
}

// wantEcho checks that a call has been answered with its own input.
func (c *call) wantEcho(t *testing.T) {
	t.Helper()
	if err := c.wait(); err != nil {
		t.Errorf("Infer of %d: %v", values(&c.r.Inputs[0]), err)
		return
	}
	wantEcho(t, c.r)
}

// wantEcho checks that every output equals the input of its name.
func wantEcho(t testing.TB, r *Request) {
	t.Helper()
	if len(r.Outputs) == 0 {
		t.Error("no outputs")
	}
	for i := range r.Outputs {
		out := &r.Outputs[i]
		for j := range r.Inputs {
			if in := &r.Inputs[j]; in.Name == out.Name && !equal(in, out) {
				t.Errorf("output %q is %v % x, want %v % x", out.Name, out.Shape, out.Data, in.Shape, in.Data)
			}
		}
	}
}

func equal(a, b *oip.Tensor) bool {
	if a.Datatype != b.Datatype || len(a.Shape) != len(b.Shape) || string(a.Data) != string(b.Data) {
		return false
	}
	for i := range a.Shape {
		if a.Shape[i] != b.Shape[i] {
			return false
		}
	}
	return true
}

// nothing is a Runner that gives one FP32 for each row, at no cost.
type nothing struct{}

func (nothing) Run(_ context.Context, inputs []oip.Tensor, _ []string, res *Results) error {
	shape := [...]int64{inputs[0].Shape[0], 1}
	res.Add("score", oip.FP32, shape[:], 4*int(shape[0]))
	return nil
}

// iris makes a request of the size of the smallest model anybody serves.
func iris() *Request {
	return &Request{Inputs: []oip.Tensor{{Name: "features", Datatype: oip.FP32, Shape: []int64{1, 4}, Data: make([]byte, 16)}}}
}
