package loadgen

import (
	"fmt"
	"runtime"
	"time"
)

// Finding is something that a result says, and what to do about it.
type Finding struct {
	What string `json:"what"`
	Do   string `json:"do,omitempty"`
}

// The thresholds below say when a share is worth a person's time: what takes less than a third cannot be what is wrong.
const (
	dominant = 0.5
	notable  = 0.33
)

// findings reads a result as somebody would who has read many.
func findings(r *Result) []Finding {
	var all []Finding
	add := func(do, format string, args ...any) { all = append(all, Finding{fmt.Sprintf(format, args...), do}) }
	if r.Answers == 0 {
		add("look at the errors: nothing else here means anything", "not one question was answered")
		return all
	}
	if r.Failed > 0 {
		add("failures are left out of the latencies, so that these look better than it was", "%.2f %% of the questions failed", 100*share(r.Failed, r.Failed+r.Answers))
	}
	if cores := float64(runtime.GOMAXPROCS(0)); r.GeneratorCores > 0.8*cores {
		add("run it on another machine, or with fewer clients", "asking took %.1f of %.0f cores: the figures are about the generator as much as about the server", r.GeneratorCores, cores)
	}
	if r.Loop == "open" && r.Rate < 0.95*r.Offered {
		add("more nodes or instances, larger batches, or a lower rate", "%.0f/s were asked and %.0f/s answered: this is more than the server can do, and queues only grow", r.Offered, r.Rate)
	} else if r.Late > 0.01 {
		add("raise --clients if the server is not at its limit; the time such questions waited is in their latency", "%.1f %% of the questions were due while all %d clients waited for answers", 100*r.Late, r.Clients)
	}
	if r.Cached > 0.01 {
		add("ask more different questions (--questions) to measure the model", "%.0f %% of the answers came from the cache", 100*r.Cached)
	}
	all = append(all, whereTimeWent(r)...)
	if l := r.Latency; l.P50 > 0 && l.P99 > 10*l.P50 && l.P99 > 10*time.Millisecond {
		add("compare with an open loop at a lower rate: if the tail stays, something stalls (a garbage collection, a noisy neighbour, a slow node)", "one answer of a hundred took %.0f times the median", float64(l.P99)/float64(l.P50))
	}
	return all
}

// whereTimeWent names the stage that takes the most of a request.
func whereTimeWent(r *Result) []Finding {
	s := r.Server
	if s == nil || r.Latency.Mean == 0 || r.Cached > dominant {
		return nil
	}
	var all []Finding
	of := func(d time.Duration) float64 { return float64(d) / float64(r.Latency.Mean) }
	add := func(do, format string, args ...any) { all = append(all, Finding{fmt.Sprintf(format, args...), do}) }
	switch {
	case of(s.Queue) > notable && s.Batch <= 1.05*s.Rows:
		add("if the model can be batched, let it be (max_batch_size, max_queue_delay); otherwise more instances or nodes", "requests spend %.0f %% of their time in the node's queue, and run one by one", 100*of(s.Queue))
	case of(s.Queue) > notable:
		add("more instances or nodes, or fewer clients", "requests spend %.0f %% of their time in the node's queue, although they run in batches of %.1f rows", 100*of(s.Queue), s.Batch)
	case of(s.Infer) > dominant:
		add("this is as it should be; a faster model or device is what is left", "%.0f %% of the time is the model's own", 100*of(s.Infer))
	case of(s.Input+s.Output) > notable:
		add("send and ask for binary tensors instead of JSON", "%.0f %% of the time goes into preparing tensors", 100*of(s.Input+s.Output))
	}
	if outside := r.Latency.Mean - s.Total; of(outside) > dominant {
		all = append(all, outsideNode(r, of(outside)))
	}
	return all
}

// outsideNode says what is known of time that the node did not spend.
func outsideNode(r *Result, portion float64) Finding {
	p := r.Path
	what := fmt.Sprintf("%.0f %% of the time was spent outside of the node", 100*portion)
	switch {
	case p == nil && r.GeneratorCores > notable*float64(runtime.GOMAXPROCS(0)):
		return Finding{what, "the generator shares the machine with what it measures: run it elsewhere before blaming the network"}
	case p == nil:
		return Finding{what, "ask the node directly in the same way, and compare (--against)"}
	case p.Gateway > p.Hop && p.Gateway > p.Network:
		return Finding{what + ", most of it in the gateway", "look at its CPU and its queue (/status); give it more cores"}
	case p.Hop > p.Network:
		return Finding{what + ", most of it between gateway and node", "look at the network between them, and at the node's CPU outside of the model"}
	}
	return Finding{what + ", most of it between client and gateway", "look at the network, or at the generator's own CPU"}
}
