package backend

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// Statistics tells what the versions of a model have done, or all of all models when model is empty: those that are ready, by
// name and version. The numbers are those of the nv_inference_* metrics, to the nanosecond, and go on when a version is loaded
// again. version may be empty for all.
func (s *Server) Statistics(model, version string) ([]oip.ModelStatistics, error) {
	stats := []oip.ModelStatistics{}
	if model != "" {
		c := s.catalog.Load()
		in, err := c.find(model, version)
		switch { // clients look for these texts
		case c.models[model] == nil:
			return nil, oip.Errorf(oip.InvalidArgument, "requested model '%s' is not available", model)
		case err != nil:
			return nil, oip.Errorf(oip.InvalidArgument, "requested model version is not available for model '%s': %v", model, err)
		}
		if version != "" {
			version = in.version // of an alias
		}
	}
	for _, e := range s.Index(true) {
		if model != "" && e.Name != model || version != "" && e.Version != version {
			continue
		}
		stats = append(stats, s.metrics.of(e.Name, e.Version).statistics())
	}
	slices.SortFunc(stats, func(a, b oip.ModelStatistics) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(len(a.Version), len(b.Version)), cmp.Compare(a.Version, b.Version))
	})
	return stats, nil
}

// statistics are the version's numbers as Triton has them.
func (v *versionMetrics) statistics() oip.ModelStatistics {
	succeeded := v.succeeded.Load()
	stage := func(stage stage) oip.StatisticDuration {
		return duration(v.answered[scheduler.Succeeded].Load(), v.stageNs[stage].Load())
	}
	return oip.ModelStatistics{
		Name: v.model, Version: v.version,
		LastInference:  uint64(v.last.Load()),
		InferenceCount: uint64(v.inferences.Load()),
		ExecutionCount: uint64(v.runs.Load()),
		Inference: oip.InferenceStatistics{
			Success:       duration(succeeded, v.requestNs.Load()),
			Fail:          duration(v.failures(), v.failedNs.Load()),
			Queue:         stage(stageQueue),
			ComputeInput:  stage(stageInput),
			ComputeInfer:  stage(stageInfer),
			ComputeOutput: stage(stageOutput),
		},
		Batches: v.batches.snapshot(),
	}
}

func duration(count, ns int64) oip.StatisticDuration {
	return oip.StatisticDuration{Count: uint64(count), NS: uint64(ns)}
}

// batchStatistics are the runs of a model version by how many rows they had.
type batchStatistics struct {
	mu     sync.Mutex
	bySize map[int]*oip.BatchStatistics
}

// mostSizes bounds how many sizes of batches are told apart: far above any max_batch_size in use, and clients of models that
// take requests of any size cannot make it more.
const mostSizes = 1024

// ran counts a run.
func (b *batchStatistics) ran(r scheduler.Run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := b.bySize[r.Rows]
	if size == nil {
		if len(b.bySize) == mostSizes {
			return
		}
		if b.bySize == nil {
			b.bySize = map[int]*oip.BatchStatistics{}
		}
		size = &oip.BatchStatistics{BatchSize: uint64(r.Rows)}
		b.bySize[r.Rows] = size
	}
	add := func(d *oip.StatisticDuration, took time.Duration) {
		d.Count++
		d.NS += uint64(took)
	}
	add(&size.ComputeInput, r.Input)
	add(&size.ComputeInfer, r.Infer)
	add(&size.ComputeOutput, r.Output)
}

// snapshot copies the numbers, by size.
func (b *batchStatistics) snapshot() []oip.BatchStatistics {
	b.mu.Lock()
	defer b.mu.Unlock()
	sizes := make([]oip.BatchStatistics, 0, len(b.bySize))
	for _, size := range b.bySize {
		sizes = append(sizes, *size)
	}
	slices.SortFunc(sizes, func(x, y oip.BatchStatistics) int { return cmp.Compare(x.BatchSize, y.BatchSize) })
	return sizes
}
