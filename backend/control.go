package backend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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
			entries = append(entries, oip.IndexEntry{Name: name, State: unavailable, Reason: e.problem})
		}
		for _, v := range e.versions {
			if !onlyReady || v.state == ready {
				entries = append(entries, oip.IndexEntry{Name: name, Version: v.number, State: v.state, Reason: v.reason})
			}
		}
	}
	return entries
}

// LoadModel loads a model from its folder, or loads again what has changed in it since, and returns when the new versions are
// ready or it is known why they are not; what served before then goes on serving. opt may bring a configuration and model
// files to use in place of the folder's; what is loaded from them stays until the model is loaded or unloaded again, whatever
// becomes of the folder. When ctx ends first, the load goes on, and the index tells how it ended.
func (s *Server) LoadModel(ctx context.Context, name string, opt oip.LoadOptions) error {
	if err := s.cfg.Control.permit(opt); err != nil {
		return err
	}
	from, err := s.sourceOf(name, opt)
	if err != nil {
		return err
	}
	h, err := s.loader.take(ctx, name)
	if err != nil {
		return err
	}
	return s.loader.run(ctx, h, s.loader.load(from), false)
}

// UnloadModel takes a model out of service and returns when what was in flight has been answered and its memory is free. When
// ctx ends first, the unload goes on. Models here do not depend on each other, so that there are never dependents to unload.
func (s *Server) UnloadModel(ctx context.Context, name string, _ bool) error {
	if err := s.cfg.Control.permit(oip.LoadOptions{}); err != nil {
		return err
	}
	if !oip.ValidModelName(name) {
		return unknownModel(name)
	}
	h, err := s.loader.take(ctx, name)
	if err != nil {
		return err
	}
	return s.loader.run(ctx, h, s.loader.unload, true)
}

// sourceOf reads what a load request brings.
func (s *Server) sourceOf(name string, opt oip.LoadOptions) (from source, err error) {
	if !oip.ValidModelName(name) {
		return from, oip.Errorf(oip.InvalidArgument, "no model can have the name %q: want 1 to 64 of A-Z a-z 0-9 _ . -", name)
	}
	if opt.Config == nil {
		if len(opt.Files) > 0 {
			return from, oip.Errorf(oip.InvalidArgument, "failed to load '%s': files need the parameter config beside them", name)
		}
		return from, nil
	}
	config, err := s.repository.override(name, opt.Config)
	if err != nil {
		return from, oip.Errorf(oip.InvalidArgument, "failed to load '%s': %v", name, err)
	}
	from.config = &config
	if opt.Files == nil {
		return from, nil
	}
	from.files = map[string][]byte{}
	for _, path := range slices.Sorted(maps.Keys(opt.Files)) {
		number, file, _ := strings.Cut(path, "/")
		if !isVersion(number) || file != config.ModelFile {
			return from, oip.Errorf(oip.InvalidArgument, "failed to load '%s': a request cannot bring the file %q, only VERSION/%s", name, path, config.ModelFile)
		}
		from.files[number] = opt.Files[path]
	}
	return from, nil
}

// Control is what requests may do to the models of a node.
type Control string

// The values of Control.
const (
	ControlOff   Control = "off"   // nothing
	ControlOn    Control = "on"    // unload them, and load what the repository holds
	ControlFiles Control = "files" // load what a request brings, too: whoever reaches the node chooses what it runs
)

// UnmarshalText reads one of the values.
func (c *Control) UnmarshalText(text []byte) error {
	switch said := Control(text); said {
	case ControlOff, ControlOn, ControlFiles:
		*c = said
		return nil
	default:
		return fmt.Errorf("want %s, %s or %s", ControlOff, ControlOn, ControlFiles)
	}
}

// MarshalText writes the value.
func (c Control) MarshalText() ([]byte, error) { return []byte(c), nil }

// permit refuses what requests may not do here. The first words are Triton's.
func (c Control) permit(opt oip.LoadOptions) error {
	switch {
	case c == ControlOff:
		return oip.Errorf(oip.Unavailable, "explicit model load / unload is not allowed: this node was started with --control %s", c)
	case opt.Files != nil && c != ControlFiles:
		return oip.Errorf(oip.Unavailable, "explicit model load / unload is not allowed to bring files: this node was started without --control %s", ControlFiles)
	default:
		return nil
	}
}
