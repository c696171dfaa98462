package gateway

import (
	"strings"
	"testing"

	"ganglion/internal/testnode"
)

// explain asks what would be done with the usual request.
func (e *edge) explain(q Question) *Explanation {
	e.t.Helper()
	if q.Model == "" {
		q.Model = "m"
	}
	got, err := e.gateway.Explain(q)
	if err != nil {
		e.t.Fatal(err)
	}
	return got
}

// TestExplainNamesWhoAnswersNext for policies that take turns and one that goes by keys: what is explained is what the next
// request meets, and explaining takes no turn.
func TestExplainNamesWhoAnswersNext(t *testing.T) {
	for _, policy := range []string{"round_robin", "weighted", "least_connections", "least_load", "peak_ewma", "consistent_hash"} {
		a, b := testnode.Start(t), testnode.Start(t)
		e := start(t, strings.Replace(twoNodes, "round_robin", policy, 1)+anyRoute, a, b)
		for i := range 20 {
			q := Question{Body: []byte(inferBody)}
			headers := []string{"X-Sequence-Id: s"}
			if i%2 == 0 {
				headers = nil
			}
			q.Headers = headers
			want := e.explain(q)
			if again := e.explain(q); again.Picked != want.Picked {
				t.Fatalf("%s: explained %s, and then %s", policy, want.Picked, again.Picked)
			}
			if got := e.infer(headers...).want(t, 200).node(); got != want.Picked {
				t.Fatalf("%s, request %d: explained %s, %s answered: %+v", policy, i, want.Picked, got, want.Pool)
			}
			live := want.Live || i == 0 // the answer is what shows that it serves
			if want.Pool.Sticks != (headers != nil) || want.Pool.Policy != policy || !live {
				t.Errorf("%s: %+v", policy, want)
			}
		}
	}
}

func TestExplainTellsVariantAndWhy(t *testing.T) {
	stable, next := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+halfCanary, stable, next)
	check := func(q Question, variant, why, picked string) {
		t.Helper()
		got := e.explain(q)
		if got.Variant.Name != variant || !strings.Contains(got.Variant.Why, why) || got.Picked != picked {
			t.Errorf("%+v: %+v, %s; want %s (%s), %s", q, got.Variant, got.Picked, variant, why, picked)
		}
	}
	check(Question{Headers: []string{"X-Canary: always"}}, "canary", "header X-Canary", next.Address())
	check(Question{Headers: []string{"x-canary:never"}}, "stable", "header X-Canary", stable.Address())
	check(Question{Version: "1", Headers: []string{"X-Canary: always"}}, "stable", "names a version", stable.Address())
	for range 10 {
		want := e.explain(Question{})
		if got := e.infer().node(); got != want.Picked || !strings.Contains(want.Variant.Why, "by weight") {
			t.Errorf("explained %s (%s), %s answered", want.Picked, want.Variant.Why, got)
		}
	}
}

func TestExplainTellsWhatTheCacheHas(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	q := Question{Body: []byte(inferBody), Headers: []string{"Content-Type: application/json"}}
	infer := func() answer {
		return e.infer("Content-Type: application/json", "User-Agent: x", "Accept-Encoding: identity")
	}
	q.Headers = append(q.Headers, "User-Agent: x", "Accept-Encoding: identity")
	if got := e.explain(q); got.Cache.Use != "miss" || got.Cache.Key == "" || got.Picked != n.Address() {
		t.Errorf("before: %+v", got.Cache)
	}
	e.hit(infer)
	if got := e.explain(q); got.Cache.Use != "hit" || got.Picked != "" || !strings.Contains(got.Outcome, "cache") {
		t.Errorf("after: %+v, %s", got.Cache, got.Outcome)
	}
	q.Headers = append(q.Headers, "Cache-Control: no-store")
	if got := e.explain(q); got.Cache.Use != "bypass" || got.Cache.Key != "" {
		t.Errorf("with no-store: %+v", got.Cache)
	}
	if got := e.explain(Question{}); got.Cache.Use != "bypass" || !strings.Contains(got.Cache.Why, "no body is given") {
		t.Errorf("without a body: %+v", got.Cache)
	}
	if hits := e.gateway.cache.Load().Stats().Hits; hits != 1 {
		t.Errorf("the cache counts %d hits, want the one of a client", hits)
	}
}

func TestExplainSaysWhyNobodyIsPicked(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+routeM, n)
	if got := e.explain(Question{Model: "other"}); got.Route != "" || !strings.HasPrefix(got.Outcome, "404") {
		t.Errorf("no route: %+v", got)
	}
	for _, q := range []Question{{Headers: []string{"X-Request-Timeout-Ms: 5s"}}, {Body: []byte(`{"parameters":{"timeout":-1},"inputs":[]}`)}} {
		if got := e.explain(q); got.Picked != "" || !strings.HasPrefix(got.Outcome, "400: ") || !strings.Contains(got.Outcome, "whole number") {
			t.Errorf("%+v would be refused, and is explained as %q", q, got.Outcome)
		}
	}
	n.SetReady(false)
	eventually(t, "the node down", func() bool { return e.gateway.Status().Pools[0].Nodes[0].State == "down" })
	got := e.explain(Question{})
	if got.Picked != "" || !strings.HasPrefix(got.Outcome, "503") || len(got.Pool.Candidates[0].Why) == 0 || got.Pool.Candidates[0].In {
		t.Errorf("all down: %+v, %+v", got, got.Pool.Candidates)
	}
	for _, q := range []Question{{Model: "a/b"}, {Model: "m/versions/1"}, {Model: "m", Version: "0"}, {Model: "%6d"}, {Model: "m", Headers: []string{"nonsense"}}, {Model: "m", Key: "0xzz"}} {
		if _, err := e.gateway.Explain(q); err == nil {
			t.Errorf("%+v is explained", q)
		}
	}
}

// TestExplainWithoutAGatewayThatRuns tells what the file says.
func TestExplainWithoutAGatewayThatRuns(t *testing.T) {
	cfg, _, err := ParseConfig("test.toml", []byte("[pools.main]\npolicy = \"consistent_hash\"\nhash = { header = \"X-User\" }\nnodes = [{ address = \"10.0.0.1:9000\" }, { address = \"10.0.0.2:9000\" }]\n"+cachedRoute))
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(cfg, Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	byHeader, err := g.Explain(Question{Model: "m", Headers: []string{"X-User: ann"}})
	if err != nil {
		t.Fatal(err)
	}
	byKey, err := g.Explain(Question{Model: "m", Key: "ann", Body: []byte(inferBody)})
	if err != nil {
		t.Fatal(err)
	}
	byHash, err := g.Explain(Question{Model: "m", Key: "0x" + byKey.Pool.Key})
	if err != nil {
		t.Fatal(err)
	}
	if byHeader.Live || byHeader.Picked == "" || byHeader.Picked != byKey.Picked || byHeader.Pool.Key != byKey.Pool.Key || byHash.Picked != byKey.Picked {
		t.Errorf("by header %+v, by key %+v, by hash %+v", byHeader.Pool, byKey.Pool, byHash.Pool)
	}
	if byKey.Pool.Candidates[0].Standing != "not probed yet" || !strings.Contains(byKey.Cache.Why, "running") {
		t.Errorf("%+v, %+v", byKey.Pool.Candidates[0], byKey.Cache)
	}
}
