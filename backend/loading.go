package backend

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// runModels loads the versions of the repository, watches it, and closes them all when ctx ends.
func (s *Server) runModels(ctx context.Context) error {
	var first sync.WaitGroup
	first.Go(s.loadFirst)
	if s.cfg.Watch > 0 {
		s.loader.watch(ctx, s.cfg.Watch) // also while a load of the first pass does not end
	}
	<-ctx.Done()
	// The server in front has drained. What still runs has nobody to answer to.
	err := s.loader.closeAll()
	first.Wait()
	return err
}

// loadFirst is the first load pass. The node is ready when it is over.
func (s *Server) loadFirst() {
	began := time.Now()
	s.loader.loadAll(s.folders)
	if s.state.CompareAndSwap(int32(starting), int32(serving)) {
		loaded, failed := s.catalog.Load().count()
		s.log.Info("the first load pass is over: ready", "versions", loaded, "failed", failed, "ms", time.Since(began).Milliseconds())
	}
}

// origin is what a version is loaded from.
type origin struct {
	config modelConfig

	// What the files looked like before they were read; 0 where the model did not come from files.
	files, rest stamp

	content []byte // the model file, where it does not come from the repository
}

// is reports whether a version that was loaded from o is what it would be if it were loaded from other.
func (o *origin) is(other *origin) bool {
	return o.files != 0 && o.files == other.files && o.rest == other.rest && o.config.ServesAs(&other.config)
}

// open loads a version and makes it ready to serve. It returns when ctx ends only if the engine does.
func (s *Server) open(ctx context.Context, name, number string, from *origin) (*instance, error) {
	log := s.log.With("model", name, "version", number)
	began := time.Now()
	in, err := s.openVersion(name, number, from)
	if err != nil {
		return nil, err
	}
	opened := time.Now()
	if err := s.prepare(ctx, in, log); err != nil {
		return nil, err
	}
	log.Info("loaded a model", "ms", opened.Sub(began).Milliseconds(), "warm_up_ms", time.Since(opened).Milliseconds())
	return in, nil
}

// openVersion opens a version and holds it against its configuration.
func (s *Server) openVersion(name, number string, from *origin) (*instance, error) {
	path, err := s.repository.check(name, number, from)
	if err != nil {
		return nil, err
	}
	options := engineOptions(&from.config)
	options.MaxOutput, options.Content = int64(s.cfg.MaxOutput), from.content
	model, err := s.engine.Open(path, options)
	if err != nil {
		return nil, err
	}
	in, err := newInstance(name, number, model, from.config)
	if err == nil {
		in.labels, err = s.repository.readLabels(in)
	}
	if err != nil {
		return nil, errors.Join(err, model.Close())
	}
	in.origin = *from
	in.origin.content = nil // the engine has made its own of it
	in.metrics = s.metrics.of(name, number)
	return in, nil
}

// prepare warms a version up and gives it its scheduler. When it fails the model is closed.
func (s *Server) prepare(ctx context.Context, in *instance, log *slog.Logger) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, in.model.Close())
		}
	}()
	runners := in.model.Runners()
	size, err := s.batchSize(ctx, in, runners[0], log)
	if err != nil {
		return err
	}
	log.Debug("how requests are run", "max_batch_size", size, "instances", len(runners), "threads", in.config.Instances.Threads)
	in.batch = size
	s.warmOthers(ctx, in, runners[1:])
	if err := s.warmUps(ctx, in, size > 0, runners, log); err != nil {
		return err
	}
	return in.schedule(size, runners)
}

// warmOthers lets every instance but the first, which has, make a run on zeros before it serves: on a GPU each has a session of
// its own. All at once, which on a CPU takes about as long as one.
func (s *Server) warmOthers(ctx context.Context, in *instance, others []scheduler.Runner) {
	var runs sync.WaitGroup
	for _, other := range others {
		runs.Go(func() {
			_, _ = s.warmUp(ctx, in, other, 1) // why it fails the first has told
		})
	}
	runs.Wait()
}

// longestWarmUp is time for the first run of a large model on a busy machine, and little enough to not keep the models
// after it from being loaded when a run on zeros does not end.
const longestWarmUp = 10 * time.Second

// warmUp runs so many rows of zeros, once.
func (s *Server) warmUp(ctx context.Context, in *instance, runner scheduler.Runner, rows int64) ([]oip.Tensor, error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.cfg.Timeout, longestWarmUp))
	defer cancel()
	return s.trialOf(in, runner).onZeros(ctx, rows)
}

// tryOn runs the inputs, as the engine takes them, once.
func (s *Server) tryOn(ctx context.Context, in *instance, runner scheduler.Runner, inputs []oip.Tensor) ([]oip.Tensor, error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.cfg.Timeout, longestWarmUp))
	defer cancel()
	return s.trialOf(in, runner).on(ctx, inputs)
}

func (s *Server) trialOf(in *instance, runner scheduler.Runner) *trial {
	return &trial{model: in.name, inputs: in.view.engine, runner: runner, limit: int64(s.cfg.HTTP.MaxBody)}
}
