package backend

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/internal/oip"
)

// face is a server of some protocol that answers out of the node's core.
type face struct {
	name string
	run  func(ctx context.Context) error
}

// Beside has the node run another server beside the one for HTTP: both are told to end at once, and models stay until both
// have ended. run blocks until its context ends or it cannot go on, and has let go of everything when it returns. Call it
// before Run.
func (s *Server) Beside(name string, run func(ctx context.Context) error) {
	s.faces = append(s.faces, face{name, run})
}

// runFaces runs all servers until ctx ends or one of them does, which ends the others.
func (s *Server) runFaces(ctx context.Context, ln net.Listener) error {
	faces := append([]face{{"http", func(ctx context.Context) error { return s.http.Run(ctx, ln) }}}, s.faces...)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(faces))
	for _, f := range faces {
		go func() {
			err := f.run(ctx)
			if err != nil {
				err = fmt.Errorf("%s: %w", f.name, err)
			}
			ended <- err
		}()
	}
	var first error
	for range faces {
		err := <-ended
		cancel()
		if first == nil {
			first = err
		}
	}
	return first
}

// Limits bound what a request may make the node hold, whatever protocol it comes by.
func (s *Server) Limits() oip.Limits { return s.limits }

// Refused counts an inference that came by another server and did not get as far as Infer, because it could not be read or
// there was no room for it. model and version are what it named, as far as that is known.
func (s *Server) Refused(model, version string, err error) {
	began := time.Now()
	in, missing := s.acquire(model, version)
	if missing != nil {
		s.metrics.answered(nil, statusOf(err), began)
		return
	}
	in.metrics.ended(false, false, began)
	s.metrics.answered(in, statusOf(err), began)
	in.release()
}

// Observe adds what another server counts to the node's metrics. Call it before Run.
func (s *Server) Observe(c prometheus.Collector) { s.metrics.registry.MustRegister(c) }
