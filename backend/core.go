package backend

import (
	"context"
	"time"

	"ganglion/internal/oip"
)

// Infer runs a model on r, whatever protocol r came by, and fills out with the answer. version may be empty for the one that
// the node would choose. r is only read, but for two things: its inputs are put into the model's order, and text in them is
// padded. It waits in the model's queue like everybody; when ctx ends nobody waits any more, so that the request leaves the
// queue, or stops its run if no other request shares that. A deadline of ctx holds to the microsecond, and so does the node's
// own limit, Config.Timeout.
//
// The tensors in out lie in memory shared with other requests: they are to be read only, until release, which is to be called
// exactly once and is never nil when err is nil.
//
// The error is an *oip.Error for the client, or context.Canceled when ctx has ended so, or else the engine's, whose text is
// for the log.
func (s *Server) Infer(ctx context.Context, model, version string, r *oip.InferRequest, out *oip.InferResponse) (release func(), err error) {
	began := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	in, err := s.acquire(model, version)
	if err != nil {
		s.metrics.answered(nil, statusOf(err), began)
		return nil, err
	}
	x := s.inferences.Get().(*inference) // the pool's New makes nothing else
	x.enter(in, began)
	s.teller.changed()
	defer func() {
		if release == nil { // it has failed, or panicked
			s.finish(x)
		}
	}()
	err = s.run(ctx, x, r, out)
	in.metrics.ended(err == nil, x.refused, began)
	s.metrics.answered(in, statusOf(err), began)
	if err != nil {
		return nil, err
	}
	return x.release, nil
}

// Ready says why the node should not be sent requests, nil when it should. A model that could not be loaded does not keep it
// from being ready, since the others would go with it.
func (s *Server) Ready() error {
	if err := s.health(); err != nil {
		return oip.Errorf(oip.Unavailable, "the node's engine is sick: %v", err)
	}
	switch phase(s.state.Load()) {
	case serving:
		return nil
	case draining:
		return oip.Refusef(oip.Draining, "the node is shutting down")
	default:
		return oip.Errorf(oip.Unavailable, "the node is loading its models")
	}
}

// Metadata describes the node.
func (s *Server) Metadata() oip.ServerMetadata {
	return oip.ServerMetadata{Name: "ganglion", Version: s.cfg.Version, Extensions: extensions()}
}

// extensions are those of the protocol's that the node has.
func extensions() []string {
	return []string{
		"classification", "model_repository", "schedule_policy", "model_configuration", "binary_tensor_data", "parameters", "statistics",
	}
}

// ModelReady says why a model version does not answer, nil when it does. version may be empty for any.
func (s *Server) ModelReady(model, version string) error {
	_, err := s.catalog.Load().find(model, version)
	return err
}

// ModelMetadata describes a model that is ready. What it returns is to be read only.
func (s *Server) ModelMetadata(model, version string) (oip.ModelMetadata, error) {
	c := s.catalog.Load()
	in, err := c.find(model, version)
	if err != nil {
		return oip.ModelMetadata{}, err
	}
	return oip.ModelMetadata{
		Name:     in.name,
		Versions: c.models[in.name].readyVersions(),
		Platform: s.engine.Info().Platform,
		Inputs:   in.inputs,
		Outputs:  in.outputs,
	}, nil
}
