package backend

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

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
		if err := s.keepsRowsApart(ctx, in, runner, one); err != nil {
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

// keepsRowsApart reports how the answer to a row differs when another row is in its run; zero is the answer to a row of zeros.
// Zeros alone do not tell: what the model takes from all rows, their mean for one, is zero for them as well. So two
// different rows follow, unless the model does not take such numbers at all.
func (s *Server) keepsRowsApart(ctx context.Context, in *instance, runner scheduler.Runner, zero []oip.Tensor) error {
	both, err := s.warmUp(ctx, in, runner, 2)
	if err == nil {
		err = sameRows(both, zero, zero)
	}
	if err != nil {
		return err
	}
	pair, first, second, ok := differentRows(in.view.engine, int64(s.cfg.HTTP.MaxBody))
	if !ok {
		return nil
	}
	one, err := s.tryOn(ctx, in, runner, first)
	if err != nil {
		return nil //nolint:nilerr // these numbers do not suit the model, which tells nothing of its rows
	}
	other, err := s.tryOn(ctx, in, runner, second)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	if both, err = s.tryOn(ctx, in, runner, pair); err != nil {
		return err
	}
	return sameRows(both, one, other)
}

// sameRows reports how the outputs of a run of two rows differ from those of the two by themselves.
func sameRows(both, first, second []oip.Tensor) error {
	for i := range both {
		a, b, two := &first[i], &second[i], &both[i]
		for _, one := range []*oip.Tensor{a, b} {
			if !slices.Equal(two.Shape, withRows(one.Shape, 2)) || len(one.Shape) == 0 || one.Shape[0] != 1 {
				return fmt.Errorf("output %q has shape %d for two and %d for one", two.Name, two.Shape, one.Shape)
			}
		}
		at := len(a.Data)
		if len(two.Data) != at+len(b.Data) {
			return fmt.Errorf("output %q has %d bytes for two, %d and %d for each", two.Name, len(two.Data), at, len(b.Data))
		}
		if !alike(two.Datatype, two.Data[:at], a.Data) || !alike(two.Datatype, two.Data[at:], b.Data) {
			return fmt.Errorf("output %q has other values", two.Name)
		}
	}
	return nil
}

// withRows is a shape with another number of rows.
func withRows(shape []int64, rows int64) []int64 {
	shape = slices.Clone(shape)
	if len(shape) > 0 {
		shape[0] = rows
	}
	return shape
}
