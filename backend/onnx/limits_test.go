package onnx

import (
	"errors"
	"sync"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// size asks the model of onnxtest.Fill for a shape.
func size(dims ...int64) oip.Tensor {
	return tensor("size", oip.Int64, []int64{int64(len(dims))}, dims...)
}

// TestOutputLimit: outputs over the limit are refused, where the shape can be told before they exist.
func TestOutputLimit(t *testing.T) {
	e := start(t, Config{})
	const limit = 1000
	identity := onnxtest.Write(t, onnxtest.Identity(onnxfile.Float, onnxtest.Batch()))
	text := onnxtest.Write(t, onnxtest.Identity(onnxfile.String, onnxtest.Batch()))
	tests := []struct {
		name string
		path string
		fits oip.Tensor
		over oip.Tensor
	}{
		{"shape known", identity, zeros("x", 250), zeros("x", 251)},
		{"shape found in the run", onnxtest.Write(t, onnxtest.Fill(2)), size(10, 25), size(10, 26)},
		{"strings", text, texts("x", []int64{2}, string(make([]byte, 992)), ""), texts("x", []int64{2}, string(make([]byte, 993)), "")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := load(t, e, test.path, limit)
			infer(t, m, test.fits)
			_, err := m.Run(t.Context(), []oip.Tensor{test.over}, nil)
			wantClientError(t, err, "over the limit of 1000 bytes")
			infer(t, m, test.fits)
		})
	}
}

// TestOutputsTogether: the limit is for all outputs of a run.
func TestOutputsTogether(t *testing.T) {
	e := start(t, Config{})
	def := onnxtest.Identity(onnxfile.Float, onnxtest.Batch())
	def.Output("z", onnxfile.Float, onnxtest.Batch())
	def.Node("Neg", "x", "z")
	m := load(t, e, onnxtest.Write(t, def), 1000)
	in := []oip.Tensor{zeros("x", 126)}
	_, err := m.Run(t.Context(), in, nil)
	wantClientError(t, err, `output "z" of shape [126]`)
	if _, err := m.Run(t.Context(), in, []string{"z"}); err != nil {
		t.Errorf("one output alone fits, got %v", err)
	}
}

// TestDeepOutput: an output of more dimensions than the protocol has is the doing of the input that asked for it, and does
// not count against the node.
func TestDeepOutput(t *testing.T) {
	e := start(t, Config{})
	def := &onnxfile.Model{Name: "reshape"}
	def.Input("x", onnxfile.Float, onnxfile.Dynamic("n"))
	def.Input("size", onnxfile.Int64, onnxfile.Dynamic("rank"))
	def.Outputs = append(def.Outputs, onnxfile.Value{Name: "y", Type: onnxfile.Type{Kind: onnxfile.Tensor, Elem: onnxfile.Float, Unranked: true}})
	def.Node("Reshape", "x size", "y")
	m := load(t, e, onnxtest.Write(t, def), testLimit)
	x := zeros("x", 1)
	infer(t, m, x, size(1, 1, 1, 1, 1, 1, 1, 1))
	_, err := m.Run(t.Context(), []oip.Tensor{x, size(1, 1, 1, 1, 1, 1, 1, 1, 1)}, nil)
	wantClientError(t, err, `output "y" would have 9 dimensions: at most 8 can be served`)
}

// TestMemoryBound: a tensor larger than the machine is a refused request, and the node goes on. What one run alone can
// never have is a bad request; what others have at the moment is not.
func TestMemoryBound(t *testing.T) {
	e := start(t, Config{Memory: 64 << 20, Runs: 4})
	m := load(t, e, onnxtest.Write(t, onnxtest.Fill(2)), 1<<50)
	for _, huge := range []oip.Tensor{size(1<<30, 100), size(1<<28, 1<<28), size(17<<20, 1)} {
		_, err := m.Run(t.Context(), []oip.Tensor{huge}, nil)
		wantClientError(t, err, "more memory than the node has left for runs, 67108864 bytes in all")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				_, err := m.Run(t.Context(), []oip.Tensor{size(6<<20, 1)}, nil) // 24 MiB: two fit, four do not
				var refusal *oip.Error
				if err != nil && (!errors.As(err, &refusal) || refusal.Code != oip.ResourceExhausted) {
					t.Errorf("got %v, want success or that memory is spent", err)
				}
			}
		})
	}
	wg.Wait()
	infer(t, m, size(10, 10))
}

// TestMemoryComesBack: what one large run took is the system's again soon after, with no further run to ask for it.
func TestMemoryComesBack(t *testing.T) {
	if resident(t) == 0 {
		t.Skip("this system does not tell how much memory a process has")
	}
	e := start(t, Config{Memory: 1 << 30})
	e.shrinker.wait = 100 * time.Millisecond
	m := load(t, e, onnxtest.Write(t, onnxtest.Fill(2)), testLimit)
	infer(t, m, size(10, 10))
	before := resident(t)
	_, err := m.Run(t.Context(), []oip.Tensor{size(1000, 100_000)}, nil) // 400 MB, found to be too large when it is there
	wantClientError(t, err, "over the limit")
	for deadline := time.Now().Add(time.Minute); resident(t)-before > 100<<20; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a minute after a run that took 400 MB the process still has %d MiB more than before", (resident(t)-before)>>20)
		}
	}
	infer(t, m, size(10, 10))
}

// TestArenaTells: the engine tells what runs take of the memory they may take, and closes with it.
func TestArenaTells(t *testing.T) {
	e := start(t, Config{Memory: 64 << 20})
	m := load(t, e, onnxtest.Write(t, onnxtest.Fill(2)), 1<<50)
	infer(t, m, size(4<<20, 1)) // 16 MiB
	got := e.Arena()
	if got.Limit != 64<<20 || got.Held < 16<<20 || got.Held > got.Limit || got.Used > got.Held {
		t.Errorf("got %+v after a run of 16 MiB", got)
	}
	if got := new(Engine).Arena(); got != (backend.Arena{}) {
		t.Errorf("an engine without a bound tells %+v", got)
	}
}
