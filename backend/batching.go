package backend

import (
	"context"
	"fmt"
	"log/slog"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// defaultBatchSize is how many rows share a run of a model that says nothing about it. Measured on the demo models
// (docs/model-config.md), a row costs no less in larger batches, and whoever waits for the next run waits longer.
const defaultBatchSize = 64

// batching is what is known about whether requests to a model can be put together along dimension 0.
type batching struct {
	problem string // why not, from what the model says of itself; "" if nothing speaks against it
	named   bool   // all its inputs and outputs give the dimension the same name
}

// batchingOf reads the dimensions that a model declares. A variable first dimension need not be a batch: it is one only if
// all inputs and outputs have it, under one name if it has names, and if no other dimension is tied to it.
func batchingOf(inputs, outputs []Spec) batching {
	if len(inputs) == 0 {
		return batching{problem: "the model has no inputs"}
	}
	b := batching{named: true}
	name := ""
	for i, spec := range append(append([]Spec{}, inputs...), outputs...) {
		kind := "input"
		if i >= len(inputs) {
			kind = "output"
		}
		switch {
		case len(spec.Shape) == 0:
			return batching{problem: fmt.Sprintf("%s %q has no dimensions", kind, spec.Name)}
		case spec.Shape[0] >= 0:
			return batching{problem: fmt.Sprintf("the first dimension of %s %q is always %d", kind, spec.Name, spec.Shape[0])}
		case spec.Axes[0] == "":
			b.named = false
		case name != "" && name != spec.Axes[0]:
			return batching{problem: fmt.Sprintf("the first dimension is %q here and %q there", name, spec.Axes[0])}
		default:
			name = spec.Axes[0]
		}
	}
	if at, tied := tiedTo(name, inputs, outputs); tied {
		return batching{problem: fmt.Sprintf("another dimension of %q is as long as the first, %q", at, name)}
	}
	return b
}

// tiedTo finds a dimension besides the first that has the given name.
func tiedTo(name string, groups ...[]Spec) (at string, tied bool) {
	for _, specs := range groups {
		for _, spec := range specs {
			for _, axis := range spec.Axes[1:] {
				if axis == name && name != "" {
					return spec.Name, true
				}
			}
		}
	}
	return "", false
}

// batchSize settles how many rows share a run, 0 for no batching, and warms the model up on the way. What the file says is
// done, unless it contradicts the model; what it leaves open is found out, and tried.
func (s *Server) batchSize(ctx context.Context, in *instance, runner scheduler.Runner, log *slog.Logger) (int, error) {
	configured := in.config.MaxBatchSize
	b := batchingOf(in.model.Inputs(), in.model.Outputs())
	if configured > 0 && b.problem != "" {
		return 0, fmt.Errorf("%s sets max_batch_size = %d, but %s: want 0", in.config.Where("max_batch_size"), configured, b.problem)
	}
	one, err := s.warmUp(ctx, in, runner, 1)
	if err != nil {
		log.Info("the warm-up run failed: its shapes may not suit the model", "reason", err)
		if !b.named && b.problem == "" {
			b.problem = "its first dimension has no name and cannot be tried"
		}
	} else if configured != 0 && b.problem == "" {
		two, err := s.warmUp(ctx, in, runner, 2)
		if err == nil {
			err = sameRows(two, one)
		}
		if err != nil {
			b.problem = "a run of two rows is not two runs of one: " + err.Error()
		}
	}
	switch {
	case configured != findOut && b.problem == "":
		return configured, nil
	case configured > 0:
		log.Warn("requests are batched because max_batch_size says so", "doubt", b.problem)
		return configured, nil
	case configured == 0:
		return 0, nil
	case b.problem != "":
		log.Info("requests are not batched: if they can be, set max_batch_size in "+configFile, "reason", b.problem)
		return 0, nil
	default:
		return defaultBatchSize, nil
	}
}

// sameRows reports how the outputs of two equal rows differ from the row's own.
func sameRows(two, one []oip.Tensor) error {
	for i := range one {
		a, b := &one[i], &two[i]
		if len(a.Shape) == 0 || len(a.Shape) != len(b.Shape) || a.Shape[0] != 1 || b.Shape[0] != 2 {
			return fmt.Errorf("output %q has shape %d for two and %d for one", a.Name, b.Shape, a.Shape)
		}
		for dim := 1; dim < len(a.Shape); dim++ {
			if a.Shape[dim] != b.Shape[dim] {
				return fmt.Errorf("output %q has shape %d for two and %d for one", a.Name, b.Shape, a.Shape)
			}
		}
		if len(b.Data) != 2*len(a.Data) {
			return fmt.Errorf("output %q has %d bytes for two and %d for one", a.Name, len(b.Data), len(a.Data))
		}
		if !alike(a.Datatype, b.Data[:len(a.Data)], a.Data) || !alike(a.Datatype, b.Data[len(a.Data):], a.Data) {
			return fmt.Errorf("output %q has other values", a.Name)
		}
	}
	return nil
}
