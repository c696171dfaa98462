package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"ganglion/internal/testlog"
	"ganglion/internal/testnode"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's worker pool looks every ten seconds whether it was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		// One for the whole process, for the Date header.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

var quiet = slog.New(slog.DiscardHandler)

// edge is a gateway under test, with a client.
type edge struct {
	t        testing.TB
	gateway  *Gateway
	url      string
	client   *http.Client
	log      *testlog.Log
	registry *prometheus.Registry
	rpc      string       // where gRPC clients go; "" = nowhere
	stop     func() error // ends the gateway and waits
}

// start runs a gateway with the given configuration until the test ends, and waits until its nodes are up.
// Each %s in the configuration is the address of the next node.
func start(t testing.TB, config string, nodes ...*testnode.Node) *edge {
	t.Helper()
	e := launch(t, config, nodes...)
	eventually(t, "every node up", func() bool {
		for _, p := range e.gateway.Status().Pools {
			for _, n := range p.Nodes {
				if n.State != "up" {
					return false
				}
			}
		}
		return true
	})
	return e
}

// launch is start without the wait.
func launch(t testing.TB, config string, nodes ...*testnode.Node) *edge {
	t.Helper()
	addresses := make([]any, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.Address()
	}
	if !strings.Contains(config, "[server]") {
		config = fastServer + config
	}
	cfg, _, err := ParseConfig("test.toml", fmt.Appendf(nil, config, addresses...))
	if err != nil {
		t.Fatalf("the test's configuration: %v", err)
	}
	bePatient(cfg)
	e := &edge{t: t, log: new(testlog.Log), registry: prometheus.NewRegistry()}
	e.gateway, err = New(cfg, Options{Version: "test", Log: quiet, AccessLog: e.log, Registry: e.registry})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(config, wary) {
		e.trustNodes()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.url = "http://" + ln.Addr().String()
	var rpcs net.Listener
	if cfg.Server.GRPC != "" {
		if rpcs, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		e.rpc = rpcs.Addr().String()
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	e.client = &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.gateway.Run(ctx, ln, rpcs) }()
	e.stop = sync.OnceValue(func() error {
		cancel()
		transport.CloseIdleConnections()
		return <-done
	})
	t.Cleanup(func() {
		if err := e.stop(); err != nil {
			t.Errorf("the gateway ended with: %v", err)
		}
		for _, line := range e.log.Lines() {
			if t.Failed() && strings.Contains(line, `"error":`) {
				t.Log(line)
			}
		}
	})
	return e
}

// bePatient has the gateway wait for its nodes for longer than is usual: a connect or a probe on loopback takes microseconds, unless the
// machine has no time for the test at all, and two probes that are late take a node down.
func bePatient(cfg *Config) {
	cfg.Upstream.ConnectTimeout = 10 * time.Second
	for name, pool := range cfg.Pools {
		pool.Health.Timeout = 20 * time.Second
		cfg.Pools[name] = pool
	}
}

// wary in a configuration leaves suspicion at work.
const wary = "# a silent node is suspected\n"

// trusting is a peer of whom nobody thinks badly for keeping silent.
type trusting struct{ peer }

func (trusting) Suspect()     {}
func (trusting) Spared() bool { return false }

// trustNodes keeps the nodes of the file from being suspected. They run in the test's own process: where that gets no processor
// for a quarter of a second, they are as silent as the dead, and tests of other things would count the failure.
func (e *edge) trustNodes() {
	for _, up := range e.gateway.table.Load().pools {
		for _, n := range up.nodes() {
			switch tr := n.transport.(type) {
			case *carrier:
				tr.hopCfg.Silence = 0
				tr.plain.vigil.peer = trusting{tr.plain.vigil.peer}
				tr.plain.conns.soon.peer = tr.plain.vigil.peer
			case *rpcNode:
				tr.vigil.peer = trusting{tr.vigil.peer}
			}
		}
	}
}

// fastServer is the server of a configuration that names none; it keeps tests from waiting for a drain that nobody watches.
const fastServer = "[server]\ndrain_delay = \"0s\"\n"

// The configurations most tests use.
const (
	fastHealth = `
[pools.main.health]
interval = "20ms"
doubt_interval = "10ms"
`
	oneNode  = "[pools.main]\nnodes = [{ address = \"%s\" }]\n" + fastHealth
	twoNodes = "[pools.main]\npolicy = \"round_robin\"\nnodes = [{ address = \"%s\" }, { address = \"%s\" }]\n" + fastHealth
	anyRoute = "[routes.\"*\"]\npool = \"main\"\n"
)

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// node is the name of the test node that answered, "" when none did.
func (a answer) node() string { return a.header.Get(testnode.NameHeader) }

// message is the text of an error answer, and "" for anything else.
func (a answer) message() string {
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Error
}

// do sends a request; headers are "Name: value".
func (e *edge) do(method, path, body string, headers ...string) answer {
	e.t.Helper()
	a, err := e.try(method, path, body, headers...)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (e *edge) try(method, path, body string, headers ...string) (answer, error) {
	return e.tryUntil(e.t.Context(), method, path, body, headers...)
}

// tryUntil is try by a client that leaves when ctx ends.
func (e *edge) tryUntil(ctx context.Context, method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

const (
	inferPath = "/v2/models/m/infer"
	inferBody = `{"id":"q","inputs":[{"name":"input","datatype":"FP32","shape":[1,1],"data":[1]}]}`
)

// inferAndLeave sends the usual request. Its client stays until leave is called, which returns what came of it.
func (e *edge) inferAndLeave(headers ...string) (leave func() error) {
	ctx, cancel := context.WithCancel(e.t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := e.tryUntil(ctx, "POST", inferPath, inferBody, headers...)
		done <- err
	}()
	return func() error {
		cancel()
		return <-done
	}
}

// infer sends the usual request.
func (e *edge) infer(headers ...string) answer {
	e.t.Helper()
	return e.do("POST", inferPath, inferBody, headers...)
}

// want checks a status and reports what came with it.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d; body %q", a.status, status, a.body)
	}
	return a
}

// metric sums the series of a metric whose labels have the given values: "name", "value", ...
func (e *edge) metric(name string, labels ...string) float64 {
	e.t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			matches := true
			for i := 0; i < len(labels); i += 2 {
				matches = matches && have[labels[i]] == labels[i+1]
			}
			if matches {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// logged waits for n lines of the access log and returns them, parsed.
func (e *edge) logged(n int) []map[string]any {
	e.t.Helper()
	var got []string
	eventually(e.t, fmt.Sprintf("%d access-log lines", n), func() bool {
		got = e.log.Lines()
		return len(got) >= n
	})
	parsed := make([]map[string]any, len(got))
	for i, line := range got {
		if err := json.Unmarshal([]byte(line), &parsed[i]); err != nil {
			e.t.Fatalf("access-log line %q: %v", line, err)
		}
	}
	return parsed
}

// eventually polls until ok, and fails the test when that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// parse reads a JSON object.
func parse(t testing.TB, s string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return m
}
