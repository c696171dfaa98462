package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"ganglion/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEdge is ready or not as told.
type fakeEdge struct {
	reason atomic.Pointer[string]
	orders atomic.Int64
}

func (e *fakeEdge) Ready() error {
	if r := e.reason.Load(); r != nil {
		return errors.New(*r)
	}
	return nil
}

func (e *fakeEdge) Status() gateway.Status {
	return gateway.Status{Version: "test", Pools: []gateway.PoolStatus{{Name: "main"}}}
}

func (e *fakeEdge) Explain(q gateway.Question) (*gateway.Explanation, error) {
	if q.Model == "" {
		return nil, errors.New("no model is named")
	}
	return &gateway.Explanation{Model: q.Model, Outcome: strings.Join(q.Headers, "+") + q.Key + string(q.Body)}, nil
}

func (e *fakeEdge) Record(ctx context.Context, w io.Writer, flush func() error, pools []string, d time.Duration) error {
	switch {
	case d > time.Hour:
		return gateway.ErrRecording
	case len(pools) == 0:
		return errors.New("which pool")
	}
	_, err := io.WriteString(w, "a line for "+d.String()+"\n")
	return errors.Join(err, flush())
}

func start(t *testing.T, edge Edge) (get func(method, path string) (int, string)) {
	t.Helper()
	get, _ = startAt(t, edge)
	return get
}

func startAt(t *testing.T, edge Edge) (get func(method, path string) (int, string), address string) {
	t.Helper()
	return startWith(t, edge, nil)
}

// startWith is start that also tells where, with somebody who reloads.
func startWith(t *testing.T, edge Edge, again Reload) (get func(method, path string) (int, string), address string) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "one"}, func() float64 { return 1 }))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(edge, again, registry, slog.New(slog.DiscardHandler)).Run(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		client.CloseIdleConnections()
	})
	return func(method, path string) (int, string) {
		t.Helper()
		path, question, _ := strings.Cut(path, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+ln.Addr().String()+path, strings.NewReader(question))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(body))
	}, ln.Addr().String()
}

func TestHealthAndReadinessAreTwoThings(t *testing.T) {
	edge := new(fakeEdge)
	get := start(t, edge)
	check := func(path string, status int, body string) {
		t.Helper()
		if s, b := get("GET", path); s != status || b != body {
			t.Errorf("GET %s: %d %s, want %d %s", path, s, b, status, body)
		}
	}
	check("/healthz", 200, `{"live":true}`)
	check("/readyz", 200, `{"ready":true}`)
	reason := "draining"
	edge.reason.Store(&reason)
	check("/healthz", 200, `{"live":true}`)
	check("/readyz", 503, `{"ready":false,"reason":"draining"}`)
}

func TestStatusAndMetrics(t *testing.T) {
	get := start(t, new(fakeEdge))
	code, body := get("GET", "/status")
	var status gateway.Status
	if err := json.Unmarshal([]byte(body), &status); err != nil || code != 200 || status.Version != "test" || status.Pools[0].Name != "main" {
		t.Errorf("/status: %d %s (%v)", code, body, err)
	}
	if code, body := get("GET", "/metrics"); code != 200 || !strings.Contains(body, "\none 1") {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if code, body := get("GET", "/"); code != 200 || !strings.Contains(body, "/readyz") {
		t.Errorf("/: %d %s", code, body)
	}
}

func TestNothingElseIsThere(t *testing.T) {
	get := start(t, new(fakeEdge))
	for _, path := range []string{"/v2", "/debug/pprof/", "/metrics/x"} {
		if code, _ := get("GET", path); code != 404 {
			t.Errorf("GET %s: %d, want 404", path, code)
		}
	}
	if code, _ := get("POST", "/status"); code != 405 {
		t.Errorf("POST /status: %d, want 405", code)
	}
}

func TestRunReportsALostListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	err = New(new(fakeEdge), nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)).Run(t.Context(), ln)
	if err == nil {
		t.Error("Run returned nil with a closed listener")
	}
}

// A scraper that leaves in the middle is no error of ours; a collector that fails is.
func TestAScraperThatLeavesIsNoError(t *testing.T) {
	var out strings.Builder
	l := scrapeLog{slog.New(slog.NewTextHandler(&out, nil))}
	l.Println("error encoding and sending metric family:", &net.OpError{Op: "write", Err: errors.New("i/o timeout")})
	if out.Len() > 0 {
		t.Errorf("logged: %s", out.String())
	}
	l.Println("error gathering metrics:", errors.New("a collector is broken"))
	if got := out.String(); !strings.Contains(got, `level=ERROR msg="error gathering metrics: a collector is broken"`) {
		t.Errorf("logged: %q", got)
	}
}
