package balancer

import (
	"strings"
	"testing"
	"time"

	"ganglion/internal/conf"
)

// file is a gateway.toml that has nothing but the keys of one pool.
type file struct {
	Main Config `toml:"main"`
}

func (f *file) Check(r *conf.Report) { f.Main.Check(r.At("main")) }

func TestDefaultsAreAccepted(t *testing.T) {
	var f file
	warnings, err := conf.Decode("gateway.toml", []byte("[main]\nnodes = [{ address = \"10.0.0.1:9000\" }]\n"), &f)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	if f.Main.Policy != LeastLoad || f.Main.Nodes[0].Weight != 1 || f.Main.Retry.Attempts != 2 ||
		f.Main.Health.Interval != time.Second || f.Main.Breaker.OpenTime != 2*time.Second {
		t.Errorf("got %+v", f.Main)
	}
	if _, err := New("main", f.Main, Options{}); err != nil {
		t.Error(err)
	}
}

func TestEveryProblemIsNamed(t *testing.T) {
	const bad = `[main]
policy = "round-robbin"
nodes = [
  { address = "10.0.0.1:9000", weight = -1 },
  { address = "10.0.0.1:9000" },
  { address = "10.0.0.2" },
  { address = "http://10.0.0.2:9000" },
  { address = "10.0.0.2:70000" },
  { address = "10.0.0.300:9000" },
  { address = ":9000" },
  { address = "Node-A.example.:09000" },
  { address = "node-a.example:9000" },
  { address = "a b:9000" },
  { address = "[::1]:9000", weight = 257 },
  { address = "[0:0:0:0:0:0:0:1]:9000", protocol = "h2" },
]
slow_start = "1ms"
[main.hash]
header = "X-User Id"
bound = 1.0
[main.health]
interval = "1ms"
timeout = "2h"
rise = 0
jitter = 1.5
[main.breaker]
failure_percent = 101.0
min_requests = 0
window = "0s"
open_time = "-1s"
[main.retry]
attempts = 0
budget_percent = -1.0
budget_floor = -1
budget_burst = 0
`
	want := []string{
		`gateway.toml:2: main.policy: unknown policy "round-robbin"; did you mean "round_robin"?; accepted are round_robin, weighted, least_connections, least_load, peak_ewma, consistent_hash`,
		`gateway.toml:4: main.nodes[0].weight: -1 is out of range: accepted are 0 to 256`,
		`gateway.toml:5: main.nodes[1].address: node "10.0.0.1:9000" is listed twice: it is nodes[0] already`,
		`gateway.toml:6: main.nodes[2].address: address "10.0.0.2" is not "host:port"`,
		`gateway.toml:7: main.nodes[3].address: address "http://10.0.0.2:9000" has a scheme`,
		`gateway.toml:8: main.nodes[4].address: address "10.0.0.2:70000" has port "70000": accepted are 1 to 65535`,
		`gateway.toml:9: main.nodes[5].address: address "10.0.0.300:9000" has host "10.0.0.300"`,
		`gateway.toml:10: main.nodes[6].address: address ":9000" has host ""`,
		`gateway.toml:12: main.nodes[8].address: node "node-a.example:9000" is listed twice: it is nodes[7] already`,
		`gateway.toml:13: main.nodes[9].address: address "a b:9000" has host "a b"`,
		`gateway.toml:14: main.nodes[10].weight: 257 is out of range`,
		`gateway.toml:15: main.nodes[11].protocol: "h2" is not known: accepted are "http" and "grpc"`,
		`gateway.toml:15: main.nodes[11].address: node "[0:0:0:0:0:0:0:1]:9000" is listed twice: it is nodes[10] already`,
		`gateway.toml:17: main.slow_start: "1ms" is out of range: accepted are "0s", which turns it off, and "10ms" to "1h"`,
		`gateway.toml:19: main.hash.header: "X-User Id" is no name of a header: accepted are letters, digits, - and _`,
		`gateway.toml:20: main.hash.bound: 1 is out of range: accepted are 1.01 to 100`,
		`gateway.toml:22: main.health.interval: "1ms" is out of range: accepted are "10ms" to "1h"`,
		`gateway.toml:23: main.health.timeout: "2h0m0s" is out of range`,
		`gateway.toml:24: main.health.rise: 0 is out of range: accepted are 1 to `,
		`gateway.toml:25: main.health.jitter: 1.5 is out of range: accepted are 0 to 1`,
		`gateway.toml:27: main.breaker.failure_percent: 101 is out of range: accepted are 0 to 100`,
		`gateway.toml:28: main.breaker.min_requests: 0 is out of range`,
		`gateway.toml:29: main.breaker.window: "0s" is out of range`,
		`gateway.toml:30: main.breaker.open_time: "-1s" is out of range`,
		`gateway.toml:32: main.retry.attempts: 0 is out of range: accepted are 1 to 10`,
		`gateway.toml:33: main.retry.budget_percent: -1 is out of range`,
		`gateway.toml:34: main.retry.budget_floor: -1 is out of range`,
		`gateway.toml:35: main.retry.budget_burst: 0 is out of range`,
	}
	var f file
	_, err := conf.Decode("gateway.toml", []byte(bad), &f)
	if err == nil {
		t.Fatal("accepted")
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want) || !strings.HasPrefix(got[i], want[i]):
			t.Errorf("line %d: %s", i, got[i])
		}
	}
	if _, err := New("main", f.Main, Options{}); err == nil {
		t.Error("New made a pool of it")
	}
}

func TestNoNodes(t *testing.T) {
	var f file
	if _, err := conf.Decode("gateway.toml", []byte("[main]\nnodes = []\n"), &f); err == nil || !strings.Contains(err.Error(), "at least one node") {
		t.Errorf("err = %v", err)
	}
}

// What turns a thing off is accepted, and whoever comes too near it is told so.
func TestWhatTurnsAKeyOffIsNamed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"slow_start = \"1ms\"", `main.slow_start: "1ms" is out of range: accepted are "0s", which turns it off, and "10ms" to "1h"`},
		{"retry = { attempt_timeout = \"1ms\" }", `main.retry.attempt_timeout: "1ms" is out of range: accepted are "0s", which`},
		{"outlier = { latency_factor = 0.5 }", "main.outlier.latency_factor: 0.5 is out of range: accepted are 0, which turns the rule off, and 1.2 to 1000"},
	} {
		var f file
		_, err := conf.Decode("gateway.toml", []byte("[main]\nnodes = [{ address = \"a:1\" }, { address = \"b:1\" }]\n"+c.text), &f)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	for _, text := range []string{
		"slow_start = \"0s\"", "retry = { attempt_timeout = \"0s\" }", "outlier = { latency_factor = 0 }",
		"max_inflight = 4\nqueue = { timeout = \"5s\" }", "admission = { mode = \"enforce\" }\nqueue = { timeout = \"5s\" }",
	} {
		var f file
		warnings, err := conf.Decode("gateway.toml", []byte("[main]\nnodes = [{ address = \"a:1\" }, { address = \"b:1\" }]\n"+text), &f)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%q: %v, warnings %v", text, err, warnings)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"nodes = [{ address = \"a:1\" }]\n[main.hash]\nheader = \"X-User\"", `does not look at it; "consistent_hash" does`},
		{"nodes = [{ address = \"a:1\" }]\nretry = { attempts = 1 }\n[main.hedge]", "no second attempt to hedge with"},
		{"nodes = [{ address = \"a:1\" }]\nretry = { attempts = 1, attempt_timeout = \"1s\" }", "no attempt to follow"},
		{"policy = \"round_robin\"\nnodes = [{ address = \"a:1\" }, { address = \"b:1\", weight = 2 }]", "whatever its weight"},
		{"nodes = [{ address = \"a:1\", weight = 0 }]", "every node has weight 0"},
		{"nodes = [{ address = \"a:1\" }]\n[main.hedge]", "the pool has one node"},
		{"nodes = [{ address = \"a:1\" }]\nretry = { attempt_timeout = \"1s\" }", "the pool has one node"},
		{"nodes = [{ address = \"a:1\" }]\nbreaker = { open_time = \"1m\" }", "1m0s is more than max_open_time (30s)"},
		{"nodes = [{ address = \"a:1\" }]\noutlier = { ejection_time = \"2m\" }", "2m0s is more than max_ejection_time (1m0s)"},
		{"nodes = [{ address = \"a:1\" }]\nqueue = { timeout = \"5s\" }", "nobody ever waits"},
	} {
		var f file
		warnings, err := conf.Decode("gateway.toml", []byte("[main]\n"+c.text), &f)
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings.Error(), c.want) {
			t.Errorf("%q: %v, warnings %v; want one with %q", c.text, err, warnings, c.want)
			continue
		}
		if p, err := New("main", f.Main, Options{}); err != nil || p.Attempts() != f.Main.Retry.Attempts {
			t.Errorf("%q: New = %v", c.text, err)
		}
	}
}
