package loadgen

import (
	"time"

	"ganglion/internal/oip"
)

// Result is what a run has found. Durations are in nanoseconds in JSON.
type Result struct {
	Target       string  `json:"target"`
	Model        string  `json:"model"`
	Version      string  `json:"version,omitempty"`
	Loop         string  `json:"loop"` // "closed" or "open"
	Clients      int     `json:"clients"`
	Offered      float64 `json:"offered_per_second,omitempty"` // open loop
	RequestBytes int     `json:"request_tensor_bytes"`

	Seconds float64           `json:"seconds"`
	Answers uint64            `json:"answers"`
	Failed  uint64            `json:"failed"`
	Errors  map[string]uint64 `json:"errors,omitempty"`
	Rate    float64           `json:"answers_per_second"`
	Cached  float64           `json:"cached"` // share of the answers that a gateway marked as from its cache
	Late    float64           `json:"late"`   // open loop: share of the questions that were due while every client still waited

	Latency   Latency `json:"latency"`
	Histogram []Bar   `json:"histogram"`

	Server *Server `json:"server,omitempty"` // what the server counted meanwhile; nil = it keeps no statistics
	Path   *Path   `json:"path,omitempty"`   // of questions whose way was traced; nil = nobody on the way says

	GeneratorCores float64   `json:"generator_cores"` // how many cores the questions themselves took
	Findings       []Finding `json:"findings"`
}

// Latency is the distribution of the times from question to answer, failures left out.
type Latency struct {
	Mean time.Duration `json:"mean"`
	P50  time.Duration `json:"p50"`
	P90  time.Duration `json:"p90"`
	P95  time.Duration `json:"p95"`
	P99  time.Duration `json:"p99"`
	P999 time.Duration `json:"p99_9"`
	Max  time.Duration `json:"max"`
}

// Server is what the nodes counted during the run, means for each request.
type Server struct {
	Requests uint64        `json:"requests"`
	Batch    float64       `json:"batch"` // rows of a run of the model
	Rows     float64       `json:"rows"`  // rows of a request
	Total    time.Duration `json:"total"`
	Queue    time.Duration `json:"queue"`
	Input    time.Duration `json:"input"`
	Infer    time.Duration `json:"infer"`
	Output   time.Duration `json:"output"`
}

// Path is where the time of a traced request went, means.
type Path struct {
	Traced  int           `json:"traced"`
	Gateway time.Duration `json:"gateway"` // in the gateway itself
	Hop     time.Duration `json:"hop"`     // between gateway and node
	Node    time.Duration `json:"node"`    // in the node's scheduler and engine
	Network time.Duration `json:"network"` // between client and server, generator included
}

// drawnBars is how many lines the histogram takes on a terminal.
const drawnBars = 16

// result sums the clients up.
func (r *run) result(meta oip.ModelMetadata, requestBytes int, server *Server, cpu time.Duration) *Result {
	var sum histogram
	var cached, late uint64
	var traces []trace
	out := &Result{
		Target: r.cfg.Target, Model: meta.Name, Version: r.cfg.Version, Loop: "closed", Clients: r.cfg.Clients, Offered: r.cfg.Rate,
		RequestBytes: requestBytes, Seconds: r.took.Seconds(), Errors: map[string]uint64{}, Server: server,
		GeneratorCores: cpu.Seconds() / r.took.Seconds(),
	}
	if r.cfg.Rate > 0 {
		out.Loop = "open"
	}
	for _, c := range r.clients {
		sum.merge(&c.latencies)
		out.Failed += c.failed
		cached += c.cached
		late += c.late
		traces = append(traces, c.traces...)
		for text, n := range c.errors {
			out.Errors[text] += n
		}
	}
	out.Answers = sum.total
	out.Rate = float64(sum.total) / r.took.Seconds()
	out.Cached, out.Late = share(cached, sum.total), share(late, sum.total+out.Failed)
	out.Latency = Latency{
		Mean: sum.mean(), P50: sum.quantile(0.5), P90: sum.quantile(0.9), P95: sum.quantile(0.95),
		P99: sum.quantile(0.99), P999: sum.quantile(0.999), Max: sum.max,
	}
	out.Histogram = sum.bars(drawnBars)
	out.Path = pathOf(traces, sum.mean())
	out.Findings = findings(out)
	return out
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// pathOf averages the traces. latency is the mean of all answers.
func pathOf(traces []trace, latency time.Duration) *Path {
	var edge, upstream, node time.Duration
	n := 0
	for _, t := range traces {
		if t.edge == 0 { // answered by a node without a gateway in front: the server's statistics say as much
			continue
		}
		n++
		edge += t.edge
		upstream += t.upstream
		node += t.node
	}
	if n == 0 {
		return nil
	}
	count := time.Duration(n)
	return &Path{
		Traced: n, Gateway: max(edge-upstream, 0) / count, Hop: max(upstream-node, 0) / count, Node: node / count,
		Network: max(latency-edge/count, 0),
	}
}

// difference is what the server counted between two looks at its statistics, all versions of the model together.
func difference(before, after []oip.ModelStatistics) *Server {
	sum := func(all []oip.ModelStatistics) (s oip.ModelStatistics) {
		for i := range all {
			s.Add(&all[i])
		}
		return s
	}
	b, a := sum(before), sum(after)
	requests := a.Inference.Success.Count - b.Inference.Success.Count
	if len(after) == 0 || a.Inference.Success.Count <= b.Inference.Success.Count {
		return nil
	}
	mean := func(before, after oip.StatisticDuration) time.Duration {
		if after.NS < before.NS {
			return 0
		}
		return time.Duration((after.NS - before.NS) / requests)
	}
	s := &Server{
		Requests: requests,
		Rows:     float64(a.InferenceCount-b.InferenceCount) / float64(requests),
		Total:    mean(b.Inference.Success, a.Inference.Success),
		Queue:    mean(b.Inference.Queue, a.Inference.Queue),
		Input:    mean(b.Inference.ComputeInput, a.Inference.ComputeInput),
		Infer:    mean(b.Inference.ComputeInfer, a.Inference.ComputeInfer),
		Output:   mean(b.Inference.ComputeOutput, a.Inference.ComputeOutput),
	}
	if runs := a.ExecutionCount - b.ExecutionCount; a.ExecutionCount > b.ExecutionCount {
		s.Batch = float64(a.InferenceCount-b.InferenceCount) / float64(runs)
	}
	return s
}
