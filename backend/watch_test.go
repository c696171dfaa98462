package backend_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/internal/oip"
)

// watched is a node whose repository is looked at when a test says so.
type watched struct {
	*node
	dir    string
	engine *generations
	look   func()
}

func watch(t *testing.T, models ...string) *watched {
	t.Helper()
	w := &watched{dir: t.TempDir(), engine: &generations{t: t}}
	for _, model := range models {
		putVersion(t, w.dir, model, "1")
	}
	w.node = startNodeOn(t, w.engine, w.dir)
	w.waitReady()
	w.look = backend.Watcher(w.server)
	w.look()
	return w
}

// becomes looks until the index says of a model what it should.
func (w *watched) becomes(model, want string) {
	w.t.Helper()
	w.until(func() bool { return w.states(model) == want })
	w.wantStates(model, want)
}

func (w *watched) until(done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		w.look()
	}
}

// rests looks often enough for anything to begin, and wants the engine to have opened no more than so many models.
func (w *watched) rests(opened int64) {
	w.t.Helper()
	for range 5 {
		w.look()
	}
	if got := w.engine.opened.Load(); got != opened {
		w.t.Errorf("%d models have been opened, want %d", got, opened)
	}
}

// TestWatch follows a repository through what people do to one.
func TestWatch(t *testing.T) {
	w := watch(t, "m", "other")
	w.rests(2)
	putVersion(t, w.dir, "new", "1")
	w.becomes("new", "1 READY")
	putVersion(t, w.dir, "m", "2")
	w.becomes("m", "2 READY")
	putVersion(t, w.dir, "m", "2")
	w.until(func() bool { return w.engine.opened.Load() == 5 })
	w.becomes("m", "2 READY")
	w.rests(5)

	write(t, filepath.Join(w.dir, "m", "config.toml"), "[versions]\nall = true\n")
	w.becomes("m", "2 READY, 1 READY")
	w.rests(6) // 2 has not been touched
	write(t, filepath.Join(w.dir, "m", "config.toml"), "max_batch_size = 4\n[versions]\nall = true\n")
	w.until(func() bool { return w.engine.opened.Load() == 8 })
	w.rests(8)

	if err := os.RemoveAll(filepath.Join(w.dir, "m", "2")); err != nil {
		t.Fatal(err)
	}
	w.becomes("m", "1 READY")
	if err := os.RemoveAll(filepath.Join(w.dir, "m", "1")); err != nil {
		t.Fatal(err)
	}
	w.becomes("m", "UNAVAILABLE it has no version: want m/1/model.onnx")
	w.get("/v2/models/m/versions/1/ready").want(t, 503, "it has no version")
	if err := os.RemoveAll(filepath.Join(w.dir, "new")); err != nil {
		t.Fatal(err)
	}
	w.becomes("new", "")
	w.get("/v2/models/new/ready").want(t, 404, "Request for unknown model: 'new' is not found")
	until(t, "only the other model open", func() bool { return w.engine.open() == 1 })
	w.wantStates("other", "1 READY")
}

// TestWatchHalfCopied: what still grows is not loaded.
func TestWatchHalfCopied(t *testing.T) {
	w := watch(t, "m")
	path := filepath.Join(w.dir, "m", "2", "model.onnx")
	for size := range 5 {
		write(t, path, strings.Repeat("x", 1+size))
		w.look()
	}
	if strings.Contains(w.log.String(), "the folder of a model has changed") {
		t.Error("a file was taken for whole while it grew")
	}
	putVersion(t, w.dir, "m", "2")
	w.becomes("m", "2 READY")
	if strings.Contains(w.log.String(), "cannot load") {
		t.Error("the half file was loaded")
	}
}

// TestWatchBadChange: a change that cannot be loaded is said once, and what was there serves on.
func TestWatchBadChange(t *testing.T) {
	w := watch(t, "m")
	write(t, filepath.Join(w.dir, "m", "2", "model.onnx"), "no model")
	w.until(func() bool { return strings.HasPrefix(w.states("m"), "2 UNAVAILABLE model.onnx: ") })
	w.rests(1)
	w.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, `"model_version":"1"`)
	if said := strings.Count(w.log.String(), "cannot load a model"); said != 1 {
		t.Errorf("the log says it %d times", said)
	}
	putVersion(t, w.dir, "m", "2")
	w.becomes("m", "2 READY")
}

// TestWatchAndAsk: what was asked for stays, until the folder changes after that.
func TestWatchAndAsk(t *testing.T) {
	w := watch(t, "m", "given")
	w.unload("m")
	w.rests(2)
	w.wantStates("m", "1 UNAVAILABLE unloaded")
	putVersion(t, w.dir, "m", "2")
	w.becomes("m", "2 READY")
	putVersion(t, w.dir, "m", "3")
	w.load("m")
	w.rests(4) // it has been loaded already

	err := w.server.LoadModel(context.Background(), "given", oip.LoadOptions{Config: []byte(`{"max_batch_size":2}`)})
	if err != nil {
		t.Fatal(err)
	}
	putVersion(t, w.dir, "given", "2")
	w.rests(5) // it goes by what the request brought
	w.load("given")
	w.wantStates("given", "2 READY")
}

// TestWatchLostRepository: a repository that cannot be read, such as on a file server that is away, changes nothing.
func TestWatchLostRepository(t *testing.T) {
	w := watch(t, "m")
	away := w.dir + "-away"
	if err := os.Rename(w.dir, away); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Rename(away, w.dir); err != nil {
			t.Error(err)
		}
	}()
	w.rests(1)
	w.post("/v2/models/m/infer", fakeRequestOf("1")).want(t, 200, "")
	if said := strings.Count(w.log.String(), "cannot watch the model repository"); said != 1 {
		t.Errorf("the log says it %d times", said)
	}
}

// TestWatchByItself: with Config.Watch nobody has to ask.
func TestWatchByItself(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	n := startNodeOn(t, &generations{t: t}, dir, func(c *backend.Config) { c.Watch = 10 * time.Millisecond })
	n.waitReady()
	putVersion(t, dir, "m", "2")
	until(t, "loaded", func() bool { return n.states("m") == "2 READY" })
}

// TestWatchWhileLoading: a first load that does not end keeps nobody from bringing another model.
func TestWatchWhileLoading(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "hang", "1")
	goOn := make(chan struct{})
	engine := &generations{t: t, opens: func(path string) {
		if strings.Contains(path, "hang") {
			<-goOn
		}
	}}
	n := startNodeOn(t, engine, dir, func(c *backend.Config) { c.Watch = 10 * time.Millisecond })
	defer close(goOn)
	putVersion(t, dir, "m", "1")
	until(t, "loaded", func() bool { return n.states("m") == "1 READY" })
	n.get("/v2/health/ready").want(t, 503, "the node is loading its models")
}

// TestWatchNotices: whatever belongs to a version is noticed when it changes, and what does not is left alone.
func TestWatchNotices(t *testing.T) {
	w := watch(t)
	model := func(name ...string) string { return filepath.Join(append([]string{w.dir, "m"}, name...)...) }
	putVersion(t, w.dir, "m", "1")
	write(t, model("1", "weights", "layer1"), "1")
	link(t, filepath.Join("..", "..", "shared"), model("1", "linked"))
	write(t, filepath.Join(w.dir, "shared"), "1")
	w.becomes("m", "1 READY")
	opened := w.engine.opened.Load()
	for _, change := range []struct {
		what    string
		do      func() error
		matters bool
	}{
		{"weights in a folder of the version", func() error { return os.WriteFile(model("1", "weights", "layer1"), []byte("22"), 0o600) }, true},
		{"a file that is linked to", func() error { return os.WriteFile(filepath.Join(w.dir, "shared"), []byte("22"), 0o600) }, true},
		{"a file beside the versions", func() error { return os.WriteFile(model("labels.txt"), []byte("a"), 0o600) }, true},
		{"what an editor leaves", func() error { return os.WriteFile(model("config.toml~"), []byte("a"), 0o600) }, false},
		{"a hidden file", func() error { return os.WriteFile(model("1", ".nfs0001"), []byte("a"), 0o600) }, false},
		{"a configuration that says nothing", func() error { return os.WriteFile(model("config.toml"), []byte("# soon"), 0o600) }, false},
		{"a file of equal size and time in place of another", func() error {
			info, err := os.Stat(model("1", "model.onnx"))
			if err != nil {
				return err
			}
			elsewhere := t.TempDir()
			putVersion(t, elsewhere, "m", "1")
			other := filepath.Join(elsewhere, "m", "1", "model.onnx")
			if err := os.Chtimes(other, time.Time{}, info.ModTime()); err != nil {
				return err
			}
			return os.Rename(other, model("1", "model.onnx")) // in one step: a load may be looking
		}, true},
	} {
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		if change.matters {
			opened++
			w.until(func() bool { return w.engine.opened.Load() == opened })
		}
		w.rests(opened)
		if t.Failed() {
			t.Fatalf("after a change of %s", change.what)
		}
	}
}
