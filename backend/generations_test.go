package backend_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// generations is an engine that counts what it opens: y is the number of the model, whatever x is. A model that is used when
// it is closed, or closed while it is used, fails the test.
type generations struct {
	fakeEngine
	t      *testing.T
	refuse atomic.Pointer[string]                 // the text of the error that opening a path with it in gives
	opens  func(path string)                      // called while a model is being opened, if not nil
	runs   func(ctx context.Context, g int) error // called while a run is under way, if not nil
}

type generation struct {
	fakeModel
	engine  *generations
	number  int64
	running atomic.Int64
	closed  atomic.Bool
}

func (e *generations) Open(path string, opt backend.ModelOptions) (backend.Model, error) {
	if e.opens != nil {
		e.opens(path)
	}
	if text := e.refuse.Load(); text != nil && strings.Contains(path, *text) {
		return nil, errors.New("the engine does not like " + *text)
	}
	return &generation{engine: e, number: e.opened.Add(1)}, nil
}

func (m *generation) Runners() []scheduler.Runner { return []scheduler.Runner{m, m} }

func (m *generation) Close() error {
	if m.closed.Swap(true) || m.running.Load() > 0 {
		m.engine.t.Errorf("model %d was closed twice or while it ran", m.number)
	}
	m.engine.fakeEngine.closed.Add(1)
	return nil
}

func (m *generation) Run(ctx context.Context, inputs []oip.Tensor, _ []string, results *scheduler.Results) error {
	m.running.Add(1)
	defer m.running.Add(-1)
	if m.closed.Load() {
		m.engine.t.Errorf("model %d was run after it was closed", m.number)
	}
	if asked(inputs) && m.engine.runs != nil {
		if err := m.engine.runs(ctx, int(m.number)); err != nil {
			return err
		}
	}
	y := results.Add("y", oip.FP32, inputs[0].Shape, len(inputs[0].Data))
	for i := 0; i < len(y); i += 4 {
		binary.LittleEndian.PutUint32(y[i:], math.Float32bits(float32(m.number)))
	}
	return nil
}

// open is how many models are open.
func (e *generations) open() int64 { return e.opened.Load() - e.fakeEngine.closed.Load() }

// putVersion puts a version into a repository, in one step. What its file holds does not matter, but that it is a model.
func putVersion(t *testing.T, dir, model, number string) {
	t.Helper()
	made := filepath.Join(t.TempDir(), "model.onnx")
	onnxtest.WriteAt(t, constant(1), made)
	folder := filepath.Join(dir, model, number)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(made, filepath.Join(folder, "model.onnx")); err != nil {
		t.Fatal(err)
	}
}

// until waits for something that happens by itself.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}

// load loads a model, which has to succeed. Any goroutine may call it.
func (n *node) load(model string) {
	n.t.Helper()
	if err := n.server.LoadModel(context.Background(), model, oip.LoadOptions{}); err != nil {
		n.t.Errorf("loading %s: %v", model, err)
	}
}

func (n *node) unload(model string) {
	n.t.Helper()
	if err := n.server.UnloadModel(context.Background(), model, false); err != nil {
		n.t.Errorf("unloading %s: %v", model, err)
	}
}

// states is the index of a model: "2 READY, 1 UNAVAILABLE unloaded".
func (n *node) states(model string) string {
	var states []string
	for _, e := range n.server.Index(false) {
		if e.Name == model {
			states = append(states, strings.TrimSpace(e.Version+" "+string(e.State)+" "+e.Reason))
		}
	}
	return strings.Join(states, ", ")
}

func (n *node) wantStates(model, want string) {
	n.t.Helper()
	if got := n.states(model); got != want {
		n.t.Errorf("the index says of %s %q, want %q", model, got, want)
	}
}

// asking keeps asking a model from several clients until stop, which returns how many answers there were. Every answer has
// to be a good one.
func (n *node) asking(path string) (stop func() int64) {
	var clients sync.WaitGroup
	var answers atomic.Int64
	over := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if a := n.post(path, fakeRequestOf("1")); a.status != 200 {
					n.t.Errorf("a request failed while models were exchanged: %d %s", a.status, a.body)
					return
				}
				answers.Add(1)
			}
		})
	}
	return func() int64 {
		close(over)
		clients.Wait()
		return answers.Load()
	}
}
