package oip

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

// AppendStatistics appends {"model_stats":[…]}, the answer to GET …/stats.
func AppendStatistics(dst []byte, stats []ModelStatistics) []byte { return dst }

// ParseStatistics reads {"model_stats":[…]} as any server of the protocol sends it.
func ParseStatistics(body []byte) ([]ModelStatistics, error) {
	return nil, Errorf(Unsupported, "not built")
}
