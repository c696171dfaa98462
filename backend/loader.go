package backend

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/internal/oip"
)

// loader decides which model versions are open. It owns the catalog: requests read it, and only a change that has its
// model's turn publishes another. Changes of one model come one after the other, each with all its consequences: the next
// waits until what the last has replaced is closed, so that a model is never in memory more than twice. Changes of different
// models run side by side.
type loader struct {
	open       func(ctx context.Context, name, number string, from *origin) (*instance, error)
	repository *repository
	metrics    *metrics
	log        *slog.Logger
	places     places
	catalog    *atomic.Pointer[catalog]

	ctx  context.Context // ends when no version is to be opened any more
	stop context.CancelFunc
	cut  chan struct{} // closed when instances are to be closed whoever uses them

	mu      sync.Mutex
	models  map[string]*holding // that are in the catalog, or are being loaded
	changes sync.WaitGroup      // in progress; none begins after ctx has ended
}

// holding is a model that the loader has, and its turn.
type holding struct {
	name string
	turn chan struct{} // holds one token while a change is in progress

	// The turn guards these.
	gone    bool  // not in the loader any more: whoever waited for it has to look again
	fixed   bool  // loaded from what a request brought: changes of the folder do not matter
	handled stamp // of the folder when it was last acted upon; 0 before
}

func newLoader(s *Server) *loader {
	l := &loader{
		open: s.open, repository: s.repository, metrics: s.metrics, log: s.log, catalog: &s.catalog,
		places: newPlaces(), models: map[string]*holding{}, cut: make(chan struct{}),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// errDraining refuses changes from the first signal on.
func errDraining() error { return oip.Refusef(oip.Draining, "the node is shutting down") }

// take waits for a model's turn. Who has it gives it back, or hands it to change.
func (l *loader) take(ctx context.Context, name string) (*holding, error) {
	for {
		h := l.holding(name)
		select {
		case h.turn <- struct{}{}:
		case <-l.ctx.Done():
			return nil, errDraining()
		case <-ctx.Done():
			return nil, oip.Errorf(oip.DeadlineExceeded, "model %q is still being loaded or unloaded", name)
		}
		if !h.gone {
			return h, nil
		}
		<-h.turn
	}
}

// tryTake is take for those who would rather come again later.
func (l *loader) tryTake(name string) (h *holding, ok bool) {
	h = l.holding(name)
	select {
	case h.turn <- struct{}{}:
	default:
		return nil, false
	}
	if h.gone {
		<-h.turn
		return nil, false
	}
	return h, true
}

func (l *loader) holding(name string) *holding {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.models[name]
	if h == nil {
		h = &holding{name: name, turn: make(chan struct{}, 1)}
		l.models[name] = h
	}
	return h
}

// giveBack ends a turn. A model that is in no catalog is forgotten.
func (l *loader) giveBack(h *holding) {
	l.mu.Lock()
	if l.catalog.Load().models[h.name] == nil {
		h.gone = true
		delete(l.models, h.name)
	}
	l.mu.Unlock()
	<-h.turn
}

// change is what happens to a model, in its turn.
type change func(ctx context.Context, h *holding) outcome

// outcome is what a change has done.
type outcome struct {
	replaced []*instance // out of the catalog, to be drained and closed
	closed   func()      // to be called when they are; may be nil
	err      error       // for whoever asked for the change
}

// run makes a change, in the turn that the caller has taken, and returns its error: at once, or when what it has replaced
// is closed. If ctx ends before, or the node is to stop, the change goes on, and so does the turn.
func (l *loader) run(ctx context.Context, h *holding, what change, untilClosed bool) error {
	done, closed := l.spawn(h, what)
	if untilClosed {
		done = closed
	}
	select {
	case err := <-done:
		return err
	case <-l.ctx.Done():
		return errDraining() // who asked must not keep the node from draining
	case <-ctx.Done():
		return oip.Errorf(oip.DeadlineExceeded, "nobody waits any more for what becomes of model %q: it goes on, and the repository index tells how it ends", h.name)
	}
}

// spawn begins a change, in the turn that the caller has taken and that ends with the change. Its error comes from done when
// requests see what it has changed, and from closed when what it has replaced is gone as well.
func (l *loader) spawn(h *holding, what change) (done, closed <-chan error) {
	seen, over := make(chan error, 1), make(chan error, 1)
	l.mu.Lock()
	if l.ctx.Err() != nil {
		l.mu.Unlock()
		l.giveBack(h)
		seen <- errDraining()
		over <- errDraining()
		return seen, over
	}
	l.changes.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.changes.Done()
		defer l.giveBack(h)
		before := l.catalog.Load().models[h.name]
		o := what(l.ctx, h)
		seen <- o.err
		l.close(o.replaced)
		if o.closed != nil {
			o.closed()
		}
		l.forget(h.name, before)
		over <- o.err
	}()
	return seen, over
}

// close closes instances that are not in the catalog any more, each when the last request that uses it is done.
func (l *loader) close(replaced []*instance) {
	for _, in := range replaced {
		in.life.retire() // all of them, before waiting for any
	}
	for _, in := range replaced {
		began := time.Now()
		select {
		case <-in.life.idle:
		case <-l.cut:
		}
		log := l.log.With("model", in.name, "version", in.version)
		if err := in.close(); err != nil {
			log.Error("cannot close a model", "reason", err)
			continue
		}
		log.Info("unloaded a model version", "drain_ms", time.Since(began).Milliseconds())
	}
}

// forget ends the series of those versions of before that the model does not have any more.
func (l *loader) forget(name string, before *entry) {
	if before == nil {
		return
	}
	now := l.catalog.Load().models[name]
	for _, v := range before.versions {
		if now == nil || now.version(v.number) == nil || now.version(v.number).reason == unloaded {
			l.metrics.forget(name, v.number)
		}
	}
}

// publish shows everybody what has become of a model. The caller has its turn.
func (l *loader) publish(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catalog.Store(l.catalog.Load().with(e))
}

// withdraw takes a model out of the catalog. The caller has its turn.
func (l *loader) withdraw(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catalog.Store(l.catalog.Load().without(name))
}

// loadAll loads the models of a repository that nothing has been loaded of, and returns when all of them are ready or it is
// known why not.
func (l *loader) loadAll(folders []folder) {
	var all sync.WaitGroup
	for _, f := range folders {
		all.Go(func() {
			h, err := l.take(l.ctx, f.name)
			if err == nil {
				// What comes of it is in the catalog and in the log.
				_ = l.run(context.Background(), h, l.load(source{}), false)
			}
		})
	}
	all.Wait()
}

// refuse begins no more changes, and cuts the warm-up of those in progress short. What is loaded stays.
func (l *loader) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
}

// closeAll waits for the changes in progress and closes all that is open. Nobody is left to be answered.
func (l *loader) closeAll() error {
	l.refuse()
	close(l.cut)
	waited := time.AfterFunc(time.Second, func() { l.log.Warn("waiting for loads in progress, which the engine cannot break off") })
	l.changes.Wait()
	waited.Stop()
	var errs []error
	for _, e := range l.catalog.Load().models {
		for _, v := range e.versions {
			if v.instance != nil {
				errs = append(errs, v.instance.close())
			}
		}
	}
	return errors.Join(errs...)
}
