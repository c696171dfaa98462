//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseLoad(t *testing.T) {
	l, err := parseLoad("Running 1s test\nRESULT {\"requests\":10,\"duration_us\":1000000,\"p50_us\":5,\"p99_us\":9,\"failed\":0}\nmore\n")
	if err != nil || l.Requests != 10 || l.DurationUS != 1e6 || l.P50US != 5 || l.P99US != 9 {
		t.Errorf("load is %+v, %v", l, err)
	}
	f := func(out, want string) {
		t.Helper()
		if _, err := parseLoad(out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q in it", out, err, want)
		}
	}
	f("unable to connect", "no result: unable to connect")
	f("RESULT {", "unexpected end")
	f(`RESULT {"requests":10,"duration_us":5,"failed":2}`, "2 of 12 requests failed")
	f(`RESULT {"requests":0,"duration_us":5}`, "no request")
}

func TestJudge(t *testing.T) {
	start := time.Now()
	before := usage{at: start, proxy: time.Second, ours: 5 * time.Second, machine: 100 * time.Second, answered: 7}
	after := usage{
		at: start.Add(10 * time.Second), proxy: 9 * time.Second, ours: 20 * time.Second, machine: 119 * time.Second, answered: 400_007,
	}
	m := judge(before, after, loaded{Requests: 400_000, DurationUS: 10_000_000, P50US: 1, P99US: 2}, 2)
	want := measurement{
		Requests: 400_000, Seconds: 10, CPUMicros: 20, CoreBusy: 0.8, P50US: 1, P99US: 2, NodeAnswered: 400_000, OthersShare: 0.2,
	}
	if m != want {
		t.Errorf("measurement is\n%+v, want\n%+v", m, want)
	}
}

func TestAnswersFromTheWrongPlaceAreRefused(t *testing.T) {
	f := func(requests, answered int64, fromCache, ok bool) {
		t.Helper()
		m := measurement{Requests: requests, NodeAnswered: answered}
		if err := m.check(fromCache, 64); (err == nil) != ok {
			t.Errorf("%d requests, %d answered by nodes, from cache %t: %v", requests, answered, fromCache, err)
		}
	}
	f(1000, 1000, false, true)
	f(1000, 1064, false, true)
	f(100_000, 90_000, false, false)
	f(100_000, 110_000, false, false) // retries
	f(100_000, 0, true, true)
	f(100_000, 900, true, true)
	f(100_000, 50_000, true, false)
}

func TestTableShowsMediansAndRanges(t *testing.T) {
	r := &report{
		systems: systems()[2:3], Rounds: 3, Seconds: 1, Machine: machine{"a CPU", 2, "6.1"},
		Versions: map[string]string{"nginx": "nginx 1.22.1"},
	}
	for i, cpu := range []float64{20, 30, 22} {
		r.add([]measurement{{System: "nginx", Work: proxied, Clients: 64, Round: i, Requests: 1000, Seconds: 1, CPUMicros: cpu, NodeMicros: 7, P50US: 1500, P99US: 3000, OthersShare: 0.02}})
	}
	var b strings.Builder
	r.print(&b)
	for _, want := range []string{
		"3 rounds of 1 s in turn", "a CPU, 2 cores", "nginx 1.22.1", "Other processes used 2 %",
		"| nginx | 22.0 (20.0–30.0) | – | – | – | 7.0 (7.0–7.0) |\n", "| nginx | 1000 | – | – | – |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestGoalsAreJudgedByRatios(t *testing.T) {
	r := &report{Idle: []idleMemory{{System: "ganglion", Clients: 10000, After: 300 << 20}}}
	for system, cpu := range map[string]float64{"ganglion": 6, "haproxy": 10, "nginx": 8} {
		r.add([]measurement{{System: system, Work: proxied, Clients: 64, CPUMicros: cpu}})
	}
	for system, p := range map[string]int64{"direct": 100, "haproxy": 130, "ganglion": 120} {
		r.add([]measurement{{System: system, Work: proxied, Clients: 1, P50US: p, P99US: 2 * p}})
	}
	got := map[string]bool{}
	for _, v := range r.judgeGoals() {
		got[v.What] = v.Met
	}
	want := map[string]bool{
		"proxied over the hop, 64 clients, against HAProxy": true,  // 0.60
		"proxied over the hop, 64 clients, against nginx":   false, // 0.75
		"added to one client's p50, against HAProxy":        true,  // 20 to 30
		"added to one client's p99, against HAProxy":        true,
		"memory with 10000 idle clients":                    false,
	}
	for what, met := range want {
		if is, judged := got[what]; !judged || is != met {
			t.Errorf("%s: judged %t, met %t, want %t", what, judged, is, met)
		}
	}
	if len(got) != len(want) {
		t.Errorf("judged %v without measurements", got)
	}
}
