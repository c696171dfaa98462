package gateway

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"ganglion/internal/hop"
	"ganglion/internal/testnode"
)

// The names, types and labels of all series are an interface: testdata/metrics.txt is what dashboards rely on.
func TestMetricNames(t *testing.T) {
	main, next := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+`
[routes.m]
pool = "main"
cache = { ttl = "1h" }
shadow = { pool = "next" }
[pools.main.hedge]
[pools.main.discover]
file = "testdata/nothing"
`, main, next)
	e.infer().want(t, 200)
	e.logged(1)
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range families {
		var labels []string
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(labels, l.GetName()) {
					labels = append(labels, l.GetName())
				}
			}
		}
		got.WriteString(f.GetName() + " " + strings.ToLower(f.GetType().String()) + " {" + strings.Join(labels, ",") + "} " + f.GetHelp() + "\n")
	}
	if *update {
		if err := os.WriteFile("testdata/metrics.txt", []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, "testdata/metrics.txt")); got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
	problems, err := testutil.GatherAndLint(e.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsCanBeScraped(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	e.infer().want(t, 200)
	e.logged(1)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`ganglion_requests_total{code="200",protocol="http",reason="ok",route="*",variant="stable"} 1`,
		`ganglion_request_duration_seconds_count{route="*",variant="stable"} 1`,
		`ganglion_attempts_total{node="` + n.Address() + `",outcome="success",pool="main"} 1`,
		`ganglion_attempts_total{node="` + n.Address() + `",outcome="failure",pool="main"} 0`, // there before it happens
		`ganglion_upstream_up{node="` + n.Address() + `",pool="main"} 1`,
		`ganglion_build_info{go=`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

// A model name that a client makes up must not make a series.
func TestClientsCannotMakeSeries(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	count := func() int {
		families, err := e.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, f := range families {
			total += len(f.GetMetric())
		}
		return total
	}
	e.infer().want(t, 200)
	e.do("GET", "/nowhere", "").want(t, 404)
	e.logged(2)
	before := count()
	for _, model := range []string{"a", "b", "c"} {
		e.do("POST", "/v2/models/"+model+"/infer", inferBody, "X-Request-Id: "+model).want(t, 200)
		e.do("GET", "/nowhere/"+model, "").want(t, 404)
	}
	e.logged(8)
	if after := count(); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

func TestSeriesEndWithTheirNode(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRoute, a, b)
	if got := e.metric("ganglion_upstream_up", "node", b.Address()); got != 1 {
		t.Fatalf("node_up is %v", got)
	}
	full := e.gateway.table.Load()
	cfg := *e.gateway.cfg
	cfg.Pools = map[string]PoolConfig{"main": cfg.Pools["main"]}
	pool := cfg.Pools["main"]
	pool.Nodes = pool.Nodes[:1]
	cfg.Pools["main"] = pool
	smaller, err := buildTable(&cfg, nil, memory{answers: hop.NewBudget(0), bodies: hop.NewBudget(0)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	e.gateway.table.Store(smaller)
	defer e.gateway.table.Store(full)
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if strings.Contains(m.String(), b.Address()) {
				t.Errorf("%s still has %s", f.GetName(), m)
			}
		}
	}
}
