package backend_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// fakeEngine opens any file as a model of one FP32 [-1] input x and output y, which run serves.
type fakeEngine struct {
	open   func(path string) error
	run    func(ctx context.Context, inputs []oip.Tensor) ([]oip.Tensor, error)
	opened atomic.Int64
	closed atomic.Int64
	sick   atomic.Pointer[error] // what Health returns; nil is healthy
}

func (e *fakeEngine) Info() backend.EngineInfo {
	return backend.EngineInfo{Name: "fake", Platform: "fake_model", Device: "none", Runs: 2}
}
func (e *fakeEngine) Close() error { return nil }

func (e *fakeEngine) Arena() backend.Arena { return backend.Arena{} }

func (e *fakeEngine) Health() error {
	if sick := e.sick.Load(); sick != nil {
		return *sick
	}
	return nil
}

func (e *fakeEngine) Open(path string, opt backend.ModelOptions) (backend.Model, error) {
	if e.open != nil {
		if err := e.open(path); err != nil {
			return nil, err
		}
	}
	e.opened.Add(1)
	m := &fakeModel{engine: e, instances: e.Info().Runs}
	if len(opt.Instances) > 0 && opt.Instances[0].Count > 0 {
		m.instances = opt.Instances[0].Count
	}
	return m, nil
}

type fakeModel struct {
	engine    *fakeEngine
	instances int
}

func fakeSpec(name string) []backend.Spec {
	return []backend.Spec{{TensorMetadata: oip.TensorMetadata{Name: name, Datatype: oip.FP32, Shape: []int64{-1}}, Axes: []string{"n"}}}
}

func (m *fakeModel) Inputs() []backend.Spec  { return fakeSpec("x") }
func (m *fakeModel) Outputs() []backend.Spec { return fakeSpec("y") }
func (m *fakeModel) Close() error            { m.engine.closed.Add(1); return nil }

func (m *fakeModel) Runners() []scheduler.Runner {
	return slices.Repeat([]scheduler.Runner{m}, m.instances)
}

func (m *fakeModel) Memory() scheduler.Memory { return nil }

func (m *fakeModel) Run(ctx context.Context, inputs []oip.Tensor, _ []string, results *scheduler.Results) error {
	outputs := inputs
	if m.engine.run != nil {
		var err error
		if outputs, err = m.engine.run(ctx, inputs); err != nil {
			return err
		}
	}
	for _, y := range outputs {
		copy(results.Add("y", y.Datatype, y.Shape, len(y.Data)), y.Data)
	}
	return nil
}

const fakeRequest = `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[%]}]}`

func fakeRequestOf(x string) string { return strings.Replace(fakeRequest, "%", x, 1) }

// asked reports whether inputs are those of a request, and not of the runs before a model is ready, whose numbers are below 1.
func asked(inputs []oip.Tensor) bool {
	return math.Float32frombits(binary.LittleEndian.Uint32(inputs[0].Data)) >= 1
}

// TestReadyAfterLoading: the node lives at once and is ready when every version has been tried. Those that are ready by
// then answer already.
func TestReadyAfterLoading(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	copyModel(t, "language_id", dir)
	loadingSecond, goOn := make(chan struct{}), make(chan struct{})
	engine := &fakeEngine{open: func(path string) error {
		if strings.Contains(path, "language_id") {
			close(loadingSecond)
			<-goOn
			return errors.New("this one is broken at " + filepath.Dir(path))
		}
		return nil
	}}
	n := startNodeOn(t, engine, dir)
	<-loadingSecond
	n.get("/v2/health/live").want(t, 200, `{"live":true}`)
	n.get("/v2/health/ready").want(t, 503, `{"ready":false,"error":"the node is loading its models"}`)
	n.waitFor("/v2/models/iris/ready", 200)
	n.post("/v2/models/iris/infer", fakeRequestOf("3")).want(t, 200, `"data":[3]`)
	n.get("/v2/models/language_id/ready").want(t, 503, `model \"language_id\" is not ready: version 1: it is being loaded`)
	if got := n.readIndex(t)["language_id"]; got.State != "LOADING" {
		t.Errorf("got %+v", got)
	}
	close(goOn)
	n.waitReady()
	n.get("/v2/models/language_id/ready").want(t, 503, "this one is broken")
}

// TestEndlessWarmUp: a model whose first run does not end is stopped, and keeps neither the node nor the models after it
// from being ready.
func TestEndlessWarmUp(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	copyModel(t, "fashion_mnist_cnn", dir)
	var runs atomic.Int64
	engine := &fakeEngine{run: func(ctx context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		if runs.Add(1) == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return inputs, nil
	}}
	n := startNodeOn(t, engine, dir, func(c *backend.Config) { c.Timeout = 50 * time.Millisecond })
	n.waitReady()
	n.get("/v2/models/iris/ready").want(t, 200, "")
	n.get("/v2/models/fashion_mnist_cnn/ready").want(t, 200, "")
	if !strings.Contains(n.log.String(), "the warm-up run failed") {
		t.Error("the log does not say that the warm-up run was stopped")
	}
}

// TestDrain: from the first signal on the node is not ready, finishes what it has begun, closes its models and ends.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	engine := &fakeEngine{run: func(_ context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		if asked(inputs) {
			begun <- struct{}{}
			<-goOn
		}
		y := inputs[0]
		y.Name = "y"
		return []oip.Tensor{y}, nil
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	answered := make(chan answer)
	go func() { answered <- n.post("/v2/models/iris/infer", fakeRequestOf("7")) }()
	<-begun

	stopped := make(chan error)
	watcher := &http.Client{Transport: &http.Transport{}} // a connection from before the drain
	defer watcher.CloseIdleConnections()
	go func() { stopped <- n.stop() }()
	n.waitDrained(watcher)
	select {
	case err := <-stopped:
		t.Fatalf("the node ended with %v while a request was in flight", err)
	default:
	}
	if engine.closed.Load() != 0 {
		t.Error("a model was closed while a request was in flight")
	}
	close(goOn)
	a := <-answered
	a.want(t, 200, `"data":[7]`)
	if err := <-stopped; err != nil {
		t.Errorf("the drain ended with %v", err)
	}
	if engine.opened.Load() != 1 || engine.closed.Load() != 1 {
		t.Errorf("%d models opened, %d closed", engine.opened.Load(), engine.closed.Load())
	}
}

// waitDrained waits until the node says, or shows by taking no connections, that it is not ready any more.
func (n *node) waitDrained(client *http.Client) {
	n.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		response, err := client.Get(n.url + "/v2/health/ready")
		if err != nil {
			return
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "shutting down") {
			return
		}
	}
	n.t.Fatal("the node is still ready")
}

// TestStopWhileLoading: a node told to end does not load the rest first.
func TestStopWhileLoading(t *testing.T) {
	dir := t.TempDir()
	const models = 10
	for i := range models {
		copyFile(t, filepath.Join(demoModels(t), "iris", "1", "model.onnx"), filepath.Join(dir, "m"+strconv.Itoa(i), "1", "model.onnx"))
	}
	loadingFirst, goOn := make(chan struct{}), make(chan struct{})
	said := sync.OnceFunc(func() { close(loadingFirst) })
	engine := &fakeEngine{open: func(string) error {
		said()
		<-goOn
		return nil
	}}
	n := startNodeOn(t, engine, dir)
	<-loadingFirst
	stopped := make(chan error)
	go func() { stopped <- n.stop() }()
	n.waitDrained(http.DefaultClient)
	close(goOn)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if opened, closed := engine.opened.Load(), engine.closed.Load(); opened == models || opened != closed {
		t.Errorf("%d models opened, %d closed", opened, closed)
	}
}

// TestPanic: a model that panics costs one request.
func TestPanic(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	engine := &fakeEngine{run: func(_ context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		if asked(inputs) {
			panic("the engine has lost its mind")
		}
		y := inputs[0]
		y.Name = "y"
		return []oip.Tensor{y}, nil
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	for range 3 {
		n.post("/v2/models/iris/infer", fakeRequestOf("1")).want(t, 500, "the model failed: the node's log has the reason")
		n.post("/v2/models/iris/infer", fakeRequestOf("0")).want(t, 200, "")
	}
	n.get("/metrics").want(t, 200, "ganglion_node_requests_in_flight 0")
}

// TestModelFailure: the client learns that the model failed, the log why.
func TestModelFailure(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	engine := &fakeEngine{run: func(context.Context, []oip.Tensor) ([]oip.Tensor, error) {
		return nil, errors.New("the card in /secret/path is on fire")
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	a := n.post("/v2/models/iris/infer", fakeRequestOf("1"))
	a.want(t, 500, "the model failed: the node's log has the reason")
	if strings.Contains(a.body, "secret") {
		t.Error("the client reads the cause")
	}
	if !strings.Contains(n.log.String(), "/secret/path is on fire") {
		t.Error("the log does not have the cause")
	}
	n.get("/metrics").want(t, 200, `ganglion_node_requests_total{model="iris",status="500",version="1"} 1`)
}
