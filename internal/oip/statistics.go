package oip

import "slices"

// ModelStatistics is what one version of a model has done since it was loaded: an entry of "model_stats". All counters
// only ever grow; clients subtract.
type ModelStatistics struct {
	Name    string
	Version string

	LastInference  uint64 // when the last request came, in milliseconds since 1970; 0 = none came
	InferenceCount uint64 // batch elements: a request of 64 rows adds 64
	ExecutionCount uint64 // runs of the model: InferenceCount / ExecutionCount is the mean batch

	Inference InferenceStatistics
	Batches   []BatchStatistics // by the size of the batch that ran
	Memory    []MemoryUsage
}

// StatisticDuration is how often something happened and how long that took all in all.
type StatisticDuration struct {
	Count uint64
	NS    uint64 // nanoseconds
}

// InferenceStatistics are the stages of requests. Success and Queue count requests answered from a cache too, the compute
// stages do not.
type InferenceStatistics struct {
	Success       StatisticDuration // requests answered, from their arrival to their answer
	Fail          StatisticDuration
	Queue         StatisticDuration
	ComputeInput  StatisticDuration
	ComputeInfer  StatisticDuration
	ComputeOutput StatisticDuration
	CacheHit      StatisticDuration
	CacheMiss     StatisticDuration
}

// BatchStatistics are the runs that had one size of batch.
type BatchStatistics struct {
	BatchSize     uint64
	ComputeInput  StatisticDuration
	ComputeInfer  StatisticDuration
	ComputeOutput StatisticDuration
}

// MemoryUsage is memory that a model holds on one device.
type MemoryUsage struct {
	Type     string // "CPU", "CPU_PINNED" or "GPU"
	ID       int64
	ByteSize uint64
}

// stageNames are the members of "inference_stats", in the order of stages.
var stageNames = [...]string{
	"success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss",
}

// stages lists the stages, which are all treated alike.
func (s *InferenceStatistics) stages() [len(stageNames)]*StatisticDuration {
	return [...]*StatisticDuration{
		&s.Success, &s.Fail, &s.Queue, &s.ComputeInput, &s.ComputeInfer, &s.ComputeOutput, &s.CacheHit, &s.CacheMiss,
	}
}

// Add adds what o counted to s; name and version stay. Batches are added by size, memory by device.
func (s *ModelStatistics) Add(o *ModelStatistics) {
	s.LastInference = max(s.LastInference, o.LastInference)
	s.InferenceCount += o.InferenceCount
	s.ExecutionCount += o.ExecutionCount
	theirs := o.Inference.stages()
	for i, d := range s.Inference.stages() {
		d.add(*theirs[i])
	}
	for _, b := range o.Batches {
		i := slices.IndexFunc(s.Batches, func(have BatchStatistics) bool { return have.BatchSize == b.BatchSize })
		if i < 0 {
			s.Batches = append(s.Batches, b)
			continue
		}
		s.Batches[i].ComputeInput.add(b.ComputeInput)
		s.Batches[i].ComputeInfer.add(b.ComputeInfer)
		s.Batches[i].ComputeOutput.add(b.ComputeOutput)
	}
	for _, m := range o.Memory {
		i := slices.IndexFunc(s.Memory, func(have MemoryUsage) bool { return have.Type == m.Type && have.ID == m.ID })
		if i < 0 {
			s.Memory = append(s.Memory, m)
			continue
		}
		s.Memory[i].ByteSize += m.ByteSize
	}
}

func (d *StatisticDuration) add(o StatisticDuration) {
	d.Count += o.Count
	d.NS += o.NS
}

// StartedOver reports whether s counts less than before did: then whoever counts has been restarted in between, or has
// loaded the model anew.
func (s *ModelStatistics) StartedOver(before *ModelStatistics) bool {
	if s.InferenceCount < before.InferenceCount || s.ExecutionCount < before.ExecutionCount {
		return true
	}
	then := before.Inference.stages()
	for i, d := range s.Inference.stages() {
		if d.Count < then[i].Count || d.NS < then[i].NS {
			return true
		}
	}
	return false
}
