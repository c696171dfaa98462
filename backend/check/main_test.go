package check_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ganglion/backend/check"
	"ganglion/internal/oip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a node with one model, "double": float32 [-1,2] in x, twice that in y, and the text of each row in t.
type fake struct {
	index []oip.IndexEntry
	batch int32
	took  func(rows int64) time.Duration // nil is no time
	wrong float32                        // added to the first number of every answer
	fail  error
	most  int64 // rows that it has memory for; 0 is any number

	varies bool    // it says that the second dimension does
	warm   []int64 // size of x in its warm-up request, without the batch
	calls  atomic.Int64
}

func newFake() *fake {
	return &fake{index: []oip.IndexEntry{{Name: "double", Version: "1", State: "READY"}}, batch: 16}
}

func (f *fake) Index(bool) []oip.IndexEntry { return f.index }

func (f *fake) ModelMetadata(string, string) (oip.ModelMetadata, error) {
	second := int64(2)
	if f.varies {
		second = -1
	}
	return oip.ModelMetadata{
		Name:    "double",
		Inputs:  []oip.TensorMetadata{{Name: "x", Datatype: oip.FP32, Shape: []int64{-1, second}}},
		Outputs: []oip.TensorMetadata{{Name: "y", Datatype: oip.FP32, Shape: []int64{-1, 2}}, {Name: "t", Datatype: oip.Bytes, Shape: []int64{-1}}},
	}, nil
}

func (f *fake) ModelConfig(string, string) (*oip.ModelConfig, error) {
	c := &oip.ModelConfig{Name: "double", MaxBatchSize: f.batch, InstanceGroups: []oip.InstanceGroup{{Count: 2}}}
	if f.warm != nil {
		c.Warmup = []oip.ConfigWarmup{{Inputs: map[string]oip.WarmupInput{"x": {Dims: f.warm}}}}
	}
	return c, nil
}

func (f *fake) Infer(ctx context.Context, _, _ string, r *oip.InferRequest, out *oip.InferResponse) (func(), error) {
	f.calls.Add(1)
	if f.fail != nil {
		return nil, f.fail
	}
	x := &r.Inputs[0]
	if f.most > 0 && x.Shape[0] > f.most {
		return nil, oip.Errorf(oip.Internal, "out of memory")
	}
	if f.took != nil {
		select {
		case <-time.After(f.took(x.Shape[0])):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if len(x.Shape) != 2 || int64(len(x.Data)) != 8*x.Shape[0] {
		return nil, errors.New("the request does not hold together")
	}
	y := oip.Tensor{Name: "y", Datatype: oip.FP32, Shape: []int64{x.Shape[0], 2}}
	t := oip.Tensor{Name: "t", Datatype: oip.Bytes, Shape: []int64{x.Shape[0]}}
	for i := 0; i < len(x.Data); i += 4 {
		v := 2 * math.Float32frombits(binary.LittleEndian.Uint32(x.Data[i:]))
		if i == 0 {
			v += f.wrong
		}
		y.Data = binary.LittleEndian.AppendUint32(y.Data, math.Float32bits(v))
	}
	for range x.Shape[0] {
		t.Data = oip.AppendBytesElement(t.Data, "row")
	}
	out.Outputs = []oip.OutputTensor{{Tensor: y}, {Tensor: t}}
	return func() {}, nil
}

// run checks node with the files given, by name in the repository, and the options changed.
func run(t *testing.T, node *fake, files map[string]string, change ...func(*check.Options)) *check.Report {
	t.Helper()
	o := check.DefaultOptions()
	o.Models, o.Duration = t.TempDir(), 0
	for name, content := range files {
		path := filepath.Join(o.Models, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range change {
		f(&o)
	}
	r, err := check.Run(t.Context(), node, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantProblem checks that the report is not ready, because of text.
func wantProblem(t *testing.T, r *check.Report, text string) {
	t.Helper()
	all := r.Problems
	for _, m := range r.Models {
		all = append(all, m.Problems...)
	}
	if r.Ready || !strings.Contains(strings.Join(all, "\n"), text) {
		t.Errorf("got ready %v with %q, want %q", r.Ready, all, text)
	}
}
