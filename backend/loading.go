package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// runModels loads every version of the repository in order, and closes them all when ctx ends.
func (s *Server) runModels(ctx context.Context) error {
	began := time.Now()
	loaded, failed := s.loadAll(ctx)
	if s.state.CompareAndSwap(int32(starting), int32(serving)) {
		s.log.Info("the first load pass is over: ready", "versions", loaded, "failed", failed, "ms", time.Since(began).Milliseconds())
	}
	<-ctx.Done()
	// The server in front has drained. What still runs has nobody to answer to.
	return s.closeAll()
}

func (s *Server) loadAll(ctx context.Context) (loaded, failed int) {
	for _, f := range s.folders {
		if f.problem != "" {
			s.log.Error("cannot serve a model", "model", f.name, "reason", f.problem)
			s.metrics.loadFailures.Inc()
			failed++
		}
		for _, number := range f.versions {
			if phase(s.state.Load()) == draining {
				return loaded, failed // ctx ends later, when nobody is left to be answered
			}
			if s.loadVersion(ctx, f.name, number) {
				loaded++
			} else {
				failed++
			}
		}
	}
	return loaded, failed
}

// loadVersion makes one version ready, or leaves the reason why it is not.
func (s *Server) loadVersion(ctx context.Context, name, number string) bool {
	log := s.log.With("model", name, "version", number)
	s.publish(name, version{number: number, state: loading, reason: "it is being loaded"})
	began := time.Now()
	in, err := s.load(name, number)
	open := time.Now()
	if err == nil {
		err = s.prepare(ctx, in, log)
	}
	if err != nil {
		s.publish(name, version{number: number, state: unavailable, reason: s.repository.reason(err)})
		s.metrics.loadFailures.Inc()
		s.metrics.ready.WithLabelValues(name, number).Set(0)
		log.Error("cannot load a model", "reason", err)
		return false
	}
	in.metrics.scheduler.Store(in.scheduler)
	s.publish(name, version{number: number, state: ready, instance: in})
	s.metrics.ready.WithLabelValues(name, number).Set(1)
	log.Info("loaded a model", "ms", open.Sub(began).Milliseconds(), "warm_up_ms", time.Since(open).Milliseconds())
	return true
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
	return in.schedule(size, runners)
}

// longestWarmUp is time for the first run of a large model on a busy machine, and little enough to not keep the models
// after it from being loaded when a run on zeros does not end.
const longestWarmUp = 10 * time.Second

// warmUp runs so many rows of zeros, once.
func (s *Server) warmUp(ctx context.Context, in *instance, runner scheduler.Runner, rows int64) ([]oip.Tensor, error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.cfg.Timeout, longestWarmUp))
	defer cancel()
	t := trial{inputs: in.inputs, runner: runner, limit: int64(s.cfg.HTTP.MaxBody)}
	return t.run(ctx, rows)
}

// load opens a version and holds it against its configuration.
func (s *Server) load(name, number string) (*instance, error) {
	config, err := s.repository.config(name)
	if err != nil {
		return nil, err
	}
	path, err := s.repository.model(name, number)
	if err != nil {
		return nil, err
	}
	options := engineOptions(&config)
	options.MaxOutput = int64(s.cfg.MaxOutput)
	model, err := s.engine.Open(path, options)
	if err != nil {
		return nil, err
	}
	in, err := newInstance(name, number, model, config)
	if err != nil {
		return nil, errors.Join(err, model.Close())
	}
	in.metrics = s.metrics.of(name, number)
	return in, nil
}

// publish shows everybody the next catalog. Only the loading goroutine calls it.
func (s *Server) publish(name string, v version) {
	s.catalog.Store(s.catalog.Load().with(name, v))
}

func (s *Server) closeAll() error {
	var errs []error
	for name, e := range s.catalog.Load().models {
		for _, v := range e.versions {
			if v.instance == nil {
				continue
			}
			if err := v.instance.close(); err != nil {
				errs = append(errs, fmt.Errorf("cannot close model %q version %s: %w", name, v.number, err))
			}
		}
	}
	return errors.Join(errs...)
}
