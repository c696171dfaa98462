package backend_test

import (
	"context"
	"sync"
	"testing"

	"ganglion/backend"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// coldEngine has models of instances that know whether they have run.
type coldEngine struct {
	fakeEngine
	mu     sync.Mutex
	warmed map[int]bool
}

type coldModel struct {
	backend.Model
	engine *coldEngine
}

func (e *coldEngine) Open(path string, opt backend.ModelOptions) (backend.Model, error) {
	m, err := e.fakeEngine.Open(path, opt)
	return &coldModel{m, e}, err
}

func (m *coldModel) Runners() []scheduler.Runner {
	runners := m.Model.Runners()
	for i, r := range runners {
		runners[i] = &coldRunner{r, m.engine, i}
	}
	return runners
}

type coldRunner struct {
	scheduler.Runner
	engine *coldEngine
	number int
}

func (r *coldRunner) Run(ctx context.Context, inputs []oip.Tensor, want []string, results *scheduler.Results) error {
	r.engine.mu.Lock()
	r.engine.warmed[r.number] = true
	r.engine.mu.Unlock()
	return r.Runner.Run(ctx, inputs, want, results)
}

// TestEveryInstanceIsWarm: before a model is ready, each of its instances has made a run, not only the first: on a GPU the
// first run takes long.
func TestEveryInstanceIsWarm(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	write(t, dir+"/iris/config.toml", "[instances]\ncount = 5\n")
	engine := &coldEngine{warmed: map[int]bool{}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	engine.mu.Lock()
	defer engine.mu.Unlock()
	if len(engine.warmed) != 5 {
		t.Errorf("%d of 5 instances have run before the model is ready", len(engine.warmed))
	}
}
