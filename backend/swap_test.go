package backend_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// TestSwapUnderLoad: new versions and new files of old ones take over while clients ask all the time, and none of them
// notices but by the answer.
func TestSwapUnderLoad(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	engine := &generations{t: t, runs: func(context.Context, int) error {
		time.Sleep(time.Millisecond) // so that there is always something in flight
		return nil
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	stop := n.asking("/v2/models/m/infer")
	for round := range 30 {
		number := strconv.Itoa(1 + round/2) // each version is replaced once in its place
		putVersion(t, dir, "m", number)
		n.load("m")
		want := fmt.Sprintf(`"model_version":"%s","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[%d]}]`, number, engine.opened.Load())
		n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, want)
	}
	if answers := stop(); answers == 0 {
		t.Error("nobody was answered")
	}
	n.wantStates("m", "15 READY")
	until(t, "all but one closed", func() bool { return engine.open() == 1 })
}

// TestSwapDrains: what has been accepted by the old version is answered by it, and only then is it closed; what comes later is
// answered by the new one at once.
func TestSwapDrains(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	begun, goOn := make(chan struct{}, 8), make(chan struct{})
	engine := &generations{t: t, runs: func(_ context.Context, number int) error {
		if number == 1 {
			begun <- struct{}{}
			<-goOn
		}
		return nil
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	const clients = 4 // two run, the others wait in the queue
	answers := make(chan answer, clients)
	for range clients {
		go func() { answers <- n.post("/v2/models/m/infer", fakeRequestOf("1")) }()
	}
	<-begun
	<-begun
	until(t, "all in flight", func() bool {
		return strings.Contains(n.get("/metrics").body, "ganglion_node_requests_in_flight "+strconv.Itoa(clients))
	})
	putVersion(t, dir, "m", "2")
	n.load("m")
	n.wantStates("m", "2 READY")
	n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, `"model_version":"2"`)
	n.post("/v2/models/m/versions/1/infer", fakeRequestOf("1")).want(t, 404, "Request for unknown model: 'm' version 1 is not found")
	if engine.open() != 2 {
		t.Errorf("%d models are open while the old one has requests in flight, want 2", engine.open())
	}
	close(goOn)
	for range clients {
		(<-answers).want(t, 200, `"model_version":"1"`)
	}
	until(t, "the old one closed", func() bool { return engine.open() == 1 })
}

// TestFailedReload: what cannot be loaded changes nothing but what the index, the log and the caller are told.
func TestFailedReload(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	engine := &generations{t: t}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	fails := func(reason string) {
		t.Helper()
		err := n.server.LoadModel(context.Background(), "m", oip.LoadOptions{})
		if err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "failed to load 'm'") {
			t.Errorf("got %v, want %q", err, reason)
		}
		if err != nil && strings.Contains(err.Error(), dir) {
			t.Errorf("the caller is told where the repository lies: %v", err)
		}
		n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, `"model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1]}]`)
	}
	bad := "m"
	engine.refuse.Store(&bad)
	putVersion(t, dir, "m", "1")
	fails("versions that are not available: 1 (what was loaded before serves on: the engine does not like m); served: 1")
	n.wantStates("m", "1 READY what was loaded before serves on: the engine does not like m")
	putVersion(t, dir, "m", "2")
	fails("2 (the engine does not like m)")
	engine.refuse.Store(nil)
	write(t, filepath.Join(dir, "m", "config.toml"), "max_batch = 3")
	fails("m/config.toml:1: max_batch: unknown key")
	n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, `"data":[1]`)
	write(t, filepath.Join(dir, "m", "config.toml"), "")
	n.load("m")
	n.wantStates("m", "2 READY")
	if err := os.RemoveAll(filepath.Join(dir, "m")); err != nil {
		t.Fatal(err)
	}
	if err := n.server.LoadModel(context.Background(), "m", oip.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "failed to load 'm', failed to poll from model repository") {
		t.Errorf("got %v", err)
	}
	n.wantStates("m", "2 READY")
}

// TestFallback: when the newest version cannot be loaded, the next lower one serves in its place.
func TestFallback(t *testing.T) {
	dir := t.TempDir()
	for _, number := range []string{"1", "2", "3"} {
		putVersion(t, dir, "m", number)
	}
	write(t, filepath.Join(dir, "m", "3", "model.onnx"), "half a fi")
	engine := &generations{t: t}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, `"model_version":"2"`)
	if states := n.states("m"); !strings.HasPrefix(states, "3 UNAVAILABLE model.onnx: ") || !strings.HasSuffix(states, ", 2 READY") {
		t.Errorf("got %q", states)
	}
	putVersion(t, dir, "m", "3")
	n.load("m")
	n.wantStates("m", "3 READY")
	write(t, filepath.Join(dir, "m", "3", "model.onnx"), "half a fi")
	if err := n.server.LoadModel(context.Background(), "m", oip.LoadOptions{}); err == nil {
		t.Error("half a file was loaded")
	}
	if states := n.states("m"); !strings.HasPrefix(states, "3 READY what was loaded before serves on: ") || strings.Count(states, " READY") != 1 {
		t.Errorf("what still serves needs no fallback: got %q", states)
	}
}

// TestUnload: an unload answers what is in flight, and gives model and series back; the model can be loaded again.
func TestUnload(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	begun, goOn := make(chan struct{}, 8), make(chan struct{})
	engine := &generations{t: t, runs: func(context.Context, int) error {
		begun <- struct{}{}
		<-goOn
		return nil
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	answered := make(chan answer, 1)
	go func() { answered <- n.post("/v2/models/m/infer", fakeRequestOf("1")) }()
	<-begun
	gone := make(chan error, 1)
	go func() { gone <- n.server.UnloadModel(context.Background(), "m", false) }()
	until(t, "unloading", func() bool { return n.states("m") == "1 UNLOADING it is being unloaded" })
	n.get("/v2/models/m/ready").want(t, 503, "it is being unloaded")
	impatient, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := n.server.LoadModel(impatient, "m", oip.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "still being loaded or unloaded") {
		t.Errorf("a load beside an unload: got %v", err)
	}
	select {
	case err := <-gone:
		t.Errorf("unloaded with a request in flight: %v", err)
	default:
	}
	close(goOn)
	(<-answered).want(t, 200, `"data":[1]`)
	if err := <-gone; err != nil {
		t.Error(err)
	}
	n.wantStates("m", "1 UNAVAILABLE unloaded")
	n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 503, `model \"m\" is not ready: version 1: unloaded`)
	if engine.open() != 0 {
		t.Error("the model is still open")
	}
	if metrics := n.get("/metrics").body; strings.Contains(metrics, `model="m"`) {
		t.Error("an unloaded model has series")
	}
	n.unload("m") // once more is no error
	n.load("m")
	n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, `"data":[2]`)
	for _, call := range []func(string) error{
		func(name string) error { return n.server.UnloadModel(context.Background(), name, false) },
		func(name string) error { return n.server.LoadModel(context.Background(), name, oip.LoadOptions{}) },
	} {
		for _, name := range []string{"nobody", "..", "../m", ""} {
			if err := call(name); err == nil {
				t.Errorf("no error for %q", name)
			}
		}
	}
}

// TestSeriesOutliveReload: the counters of a version go on when it is loaded again, and end with it.
func TestSeriesOutliveReload(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	n := startNodeOn(t, &generations{t: t}, dir)
	n.waitReady()
	for range 3 {
		n.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, "")
		putVersion(t, dir, "m", "1")
		n.load("m")
	}
	n.get("/metrics").want(t, 200, `nv_inference_request_success{model="m",version="1"} 3`)
	n.get("/metrics").want(t, 200, `ganglion_node_queue_requests{model="m",version="1"} 0`)
	putVersion(t, dir, "m", "2")
	n.load("m")
	until(t, "the series of version 1 gone", func() bool { return !strings.Contains(n.get("/metrics").body, `version="1"`) })
	n.get("/metrics").want(t, 200, `nv_inference_request_success{model="m",version="2"} 0`)
}

// TestHangingLoad: a load that does not end keeps others waiting for so long, but not for ever; and the node still stops.
func TestHangingLoad(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "good", "1")
	goOn := make(chan struct{})
	engine := &generations{t: t, opens: func(path string) {
		if strings.Contains(path, "hang") {
			<-goOn
		}
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	backend.SetLoadPatience(n.server, 20*time.Millisecond)
	const hanging = 5 // more than places
	var wg sync.WaitGroup
	for i := range hanging {
		name := "hang" + strconv.Itoa(i)
		putVersion(t, dir, name, "1")
		wg.Go(func() { n.load(name) })
		until(t, "loading", func() bool { return n.states(name) == "1 LOADING it is being loaded" })
	}
	putVersion(t, dir, "late", "1")
	n.load("late")
	n.post("/v2/models/late/infer", fakeRequestOf("1")).want(t, 200, "")
	n.unload("good")
	impatient, leave := context.WithCancel(context.Background())
	defer leave()
	putVersion(t, dir, "hang-too", "1")
	left := make(chan error, 1)
	go func() { left <- n.server.LoadModel(impatient, "hang-too", oip.LoadOptions{}) }()
	until(t, "loading", func() bool { return n.states("hang-too") == "1 LOADING it is being loaded" })
	leave()
	if err := <-left; err == nil || !strings.Contains(err.Error(), "it goes on") {
		t.Errorf("got %v", err)
	}
	close(goOn)
	wg.Wait()
	until(t, "loaded without a caller", func() bool { return n.states("hang-too") == "1 READY" })
}

// TestStopDuringLoad: who has asked for a load that takes long does not keep the node from draining; what is being opened when
// it stops is closed.
func TestStopDuringLoad(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	goOn := make(chan struct{})
	engine := &generations{t: t, opens: func(path string) {
		if strings.Contains(path, "hang") {
			<-goOn
		}
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	putVersion(t, dir, "hang", "1")
	asked, stopped := make(chan error, 1), make(chan error, 1)
	go func() { asked <- n.server.LoadModel(context.Background(), "hang", oip.LoadOptions{}) }()
	until(t, "loading", func() bool { return n.states("hang") == "1 LOADING it is being loaded" })
	go func() { stopped <- n.stop() }()
	if err := <-asked; err == nil || !strings.Contains(err.Error(), "the node is shutting down") {
		t.Errorf("got %v", err)
	}
	close(goOn)
	if err := <-stopped; err != nil || engine.open() != 0 {
		t.Errorf("the node ended with %v and %d models open", err, engine.open())
	}
}

// TestLoadsAtOnce: versions are opened side by side, but not all at once.
func TestLoadsAtOnce(t *testing.T) {
	dir := t.TempDir()
	const models = 6
	for i := range models {
		putVersion(t, dir, "m"+strconv.Itoa(i), "1")
	}
	var under atomic.Int64
	var mu sync.Mutex
	var most int64
	goOn := make(chan struct{})
	engine := &generations{t: t, opens: func(string) {
		now := under.Add(1)
		mu.Lock()
		most = max(most, now)
		mu.Unlock()
		<-goOn
		under.Add(-1)
	}}
	n := startNodeOn(t, engine, dir)
	until(t, "two at once", func() bool { return under.Load() == 2 })
	close(goOn)
	n.waitReady()
	if engine.open() != models || most != 2 {
		t.Errorf("%d models are open, and %d were being opened at once", engine.open(), most)
	}
}

// TestManyChanges: whoever loads, unloads and asks at the same time, nothing is used after it is closed, and in the end there
// is what the last of them wanted.
func TestManyChanges(t *testing.T) {
	dir := t.TempDir()
	models := []string{"a", "b", "c"}
	for _, model := range models {
		putVersion(t, dir, model, "1")
	}
	engine := &generations{t: t}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	var wg sync.WaitGroup
	for i := range 9 {
		model := models[i%3]
		wg.Go(func() {
			for round := range 30 {
				switch (i + round) % 4 {
				case 0:
					n.unload(model)
				case 1:
					n.load(model)
				default:
					if a := n.post("/v2/models/"+model+"/infer", fakeRequestOf("1")); a.status != 200 {
						a.want(t, 503, "is not ready") // and nothing else
					}
				}
			}
		})
	}
	wg.Wait()
	for _, model := range models {
		n.load(model)
	}
	until(t, "three open", func() bool { return engine.open() == 3 })
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	if engine.open() != 0 {
		t.Errorf("%d models are open after the end", engine.open())
	}
	if err := n.server.LoadModel(context.Background(), "a", oip.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("a load after the end: got %v", err)
	}
}

// TestMemoryAfterUnload: what loading takes comes back, however often it is done. (bench/node has the same with a thousand
// rounds.)
func TestMemoryAfterUnload(t *testing.T) {
	if residentMemory(t) == 0 {
		t.Skip("this system does not tell how much memory a process has")
	}
	dir := t.TempDir()
	for _, name := range []string{"fashion_mnist_cnn", "iris"} {
		copyModel(t, name, dir)
	}
	onnxtest.WriteAt(t, weighty(4<<20), filepath.Join(dir, "weighty", "1", "model.onnx"))
	n := startNode(t, dir)
	rounds := func(count int) {
		for range count {
			for _, name := range []string{"fashion_mnist_cnn", "iris", "weighty"} {
				n.unload(name)
				n.load(name)
			}
		}
	}
	rounds(3)
	// Each round has 16 MiB of weights: were one in five kept, it would be 38 MiB.
	staysBelow(t, 24<<20, "12 rounds of load and unload", func() { rounds(12) })
	before := residentMemory(t)
	n.unload("weighty")
	until(t, "unloading 16 MiB of weights to free 12 MiB or more", func() bool {
		debug.FreeOSMemory() // what Go has taken meanwhile
		return residentMemory(t) <= before-12<<20
	})
}

// staysBelow has something done several times, and fails if memory grew by limit bytes or more every time. Memory also goes
// up and down by itself; what leaks goes up always.
func staysBelow(t *testing.T, limit int, what string, do func()) {
	t.Helper()
	least := math.MaxInt
	for range 6 {
		before := residentMemory(t)
		do()
		if least = min(least, residentMemory(t)-before); least < limit {
			return
		}
	}
	t.Errorf("%s took %d KiB that did not come back, every time", what, least>>10)
}

// weighty is a model with so many weights of four bytes, a multiple of 1024.
func weighty(weights int64) *onnxfile.Model {
	m := &onnxfile.Model{Name: "weighty"}
	m.Input("x", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(1024))
	m.Output("y", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(weights/1024))
	m.Initializer(onnxfile.NewData("w", make([]float32, weights), 1024, weights/1024))
	m.Node("MatMul", "x w", "y")
	return m
}
