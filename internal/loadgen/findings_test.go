package loadgen

import (
	"strings"
	"testing"
	"time"
)

func TestFindings(t *testing.T) {
	ms := time.Millisecond
	good := func() *Result {
		return &Result{Loop: "closed", Clients: 4, Answers: 1000, Rate: 100, Latency: Latency{Mean: 10 * ms, P50: 10 * ms, P99: 12 * ms}}
	}
	for want, change := range map[string]func(r *Result){
		"not one question was answered":           func(r *Result) { r.Answers = 0 },
		"50.00 % of the questions failed":         func(r *Result) { r.Failed = 1000 },
		"more than the server can do":             func(r *Result) { r.Loop, r.Offered = "open", 200 },
		"5.0 % of the questions were due while":   func(r *Result) { r.Loop, r.Offered, r.Late = "open", 100, 0.05 },
		"80 % of the answers came from the cache": func(r *Result) { r.Cached = 0.8 },
		"one answer of a hundred took 20 times":   func(r *Result) { r.Latency.P99 = 200 * ms },
		"the figures are about the generator":     func(r *Result) { r.GeneratorCores = 1000 },
		"and run one by one":                      func(r *Result) { r.Server = &Server{Total: 9 * ms, Queue: 6 * ms, Batch: 1, Rows: 1} },
		"in batches of 8.0 rows":                  func(r *Result) { r.Server = &Server{Total: 9 * ms, Queue: 6 * ms, Batch: 8, Rows: 1} },
		"90 % of the time is the model's own":     func(r *Result) { r.Server = &Server{Total: 10 * ms, Infer: 9 * ms} },
		"goes into preparing tensors":             func(r *Result) { r.Server = &Server{Total: 9 * ms, Input: 5 * ms, Infer: ms} },
		"most of it in the gateway": func(r *Result) {
			r.Server, r.Path = &Server{Total: ms}, &Path{Gateway: 7 * ms, Hop: ms, Network: ms}
		},
		"most of it between gateway and node": func(r *Result) {
			r.Server, r.Path = &Server{Total: ms}, &Path{Gateway: ms, Hop: 7 * ms, Network: ms}
		},
		"most of it between client and gateway": func(r *Result) {
			r.Server, r.Path = &Server{Total: ms}, &Path{Gateway: ms, Hop: ms, Network: 7 * ms}
		},
	} {
		r := good()
		change(r)
		var text []string
		for _, f := range findings(r) {
			text = append(text, f.What)
		}
		if all := strings.Join(text, "\n"); !strings.Contains(all, want) {
			t.Errorf("got %q, want …%s…", all, want)
		}
	}
	if got := findings(good()); len(got) != 0 {
		t.Errorf("a good result has findings: %+v", got)
	}
}
