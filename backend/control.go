package backend

import (
	"context"

	"ganglion/internal/oip"
)

// Index lists every version that the node knows of, by name and then highest first; a model without versions is one entry
// without a number. onlyReady leaves out what does not answer.
func (s *Server) Index(onlyReady bool) []oip.IndexEntry {
	c := s.catalog.Load()
	entries := []oip.IndexEntry{}
	for _, name := range c.names {
		e := c.models[name]
		if len(e.versions) == 0 && !onlyReady {
			entries = append(entries, oip.IndexEntry{Name: name, State: oip.StateUnavailable, Reason: e.problem})
		}
		for _, v := range e.versions {
			if !onlyReady || v.state == ready {
				entries = append(entries, oip.IndexEntry{Name: name, Version: v.number, State: oip.ModelState(v.state), Reason: v.reason})
			}
		}
	}
	return entries
}

// LoadModel loads a model from its folder, or loads again what has changed in it since, and returns when the new versions are
// ready or it is known why they are not; what served before then goes on serving. opt may bring a configuration and files to
// use in place of the folder's. When ctx ends first, the load goes on, and the index tells how it ended.
func (s *Server) LoadModel(ctx context.Context, name string, opt oip.LoadOptions) error {
	return oip.Errorf(oip.Unsupported, "this version of the node does not load models on request")
}

// UnloadModel takes a model out of service and returns when what was in flight has been answered and its memory is free. When
// ctx ends first, the unload goes on. Models here do not depend on each other, so that there are never dependents to unload.
func (s *Server) UnloadModel(ctx context.Context, name string, dependents bool) error {
	return oip.Errorf(oip.Unsupported, "this version of the node does not unload models")
}
