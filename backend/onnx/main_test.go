package onnx

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testLimit is what outputs may take in most tests.
const testLimit = 64 << 20

// start opens the engine on the CPU, or as cfg says, until the test ends.
func start(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Library == "" {
		cfg.Library = onnxtest.Library(t)
	}
	if cfg.Device == "" {
		cfg.Device = "cpu"
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// load opens the model at path until the test ends.
func load(t testing.TB, e *Engine, path string, maxOutput int64) *model {
	t.Helper()
	opened, err := e.Open(path, backend.ModelOptions{MaxOutput: maxOutput})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened.(*model)
}

// tensor makes a tensor of numbers.
func tensor[T any](name string, d oip.Datatype, shape []int64, values ...T) oip.Tensor {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, values); err != nil {
		panic(err)
	}
	return oip.Tensor{Name: name, Datatype: d, Shape: shape, Data: b.Bytes()}
}

// texts makes a tensor of strings.
func texts(name string, shape []int64, values ...string) oip.Tensor {
	t := oip.Tensor{Name: name, Datatype: oip.Bytes, Shape: shape}
	for _, v := range values {
		t.Data = oip.AppendBytesElement(t.Data, v)
	}
	return t
}

// Run makes one inference and stops it when ctx ends, as a scheduler does.
func (m *model) Run(ctx context.Context, inputs []oip.Tensor, outputs []string) ([]oip.Tensor, error) {
	r := m.runnerOn(m.sessions[0])
	stop := context.AfterFunc(ctx, r.Stop)
	defer stop()
	results := scheduler.NewResults(nil)
	if err := r.Run(ctx, inputs, outputs, results); err != nil {
		return nil, err
	}
	return results.Tensors(), nil
}

// run makes one inference that is expected to work.
func infer(t testing.TB, m *model, inputs ...oip.Tensor) []oip.Tensor {
	t.Helper()
	outputs, err := m.Run(t.Context(), inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return outputs
}

// wantSame fails unless got is want under the name y.
func wantSame(t *testing.T, got, want oip.Tensor) {
	t.Helper()
	if got.Name != "y" || got.Datatype != want.Datatype || !slices.Equal(got.Shape, want.Shape) || !bytes.Equal(got.Data, want.Data) {
		t.Errorf("got %q %s %v %x, want \"y\" %s %v %x", got.Name, got.Datatype, got.Shape, got.Data, want.Datatype, want.Shape, want.Data)
	}
}

// wantClientError fails unless err may be shown to the client and says want.
func wantClientError(t *testing.T, err error, want string) {
	t.Helper()
	var refusal *oip.Error
	if !errors.As(err, &refusal) || refusal.Code != oip.InvalidArgument || !strings.Contains(refusal.Msg, want) {
		t.Errorf("got error %v, want one for the client that says %q", err, want)
	}
}
