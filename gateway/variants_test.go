package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// twoPools has the pools main and next, of one node each.
const twoPools = oneNode + `
[pools.next]
nodes = [{ address = "%s" }]
[pools.next.health]
interval = "20ms"
`

// halfCanary sends half of the requests to version 2 in the other pool, unless their header says where to.
const halfCanary = `
[routes.m]
pool = "main"
[routes.m.canary]
pool = "next"
version = "2"
weight = 50
header = "X-Canary"
`

func TestTheCanaryGetsItsShare(t *testing.T) {
	stable, next := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+`
[routes.m]
pool = "main"
[routes.m.canary]
pool = "next"
weight = 20
`, stable, next)
	for range 200 {
		e.infer().want(t, 200)
	}
	if got := next.Requests(); got < 39 || got > 41 {
		t.Errorf("the canary got %d of 200 requests, want 40", got)
	}
	if got := e.metric("ganglion_requests_total", "variant", "canary", "code", "200"); got < 39 || got > 41 {
		t.Errorf("%v of them are in the metrics", got)
	}
	// What is no inference is not split: a client that asks twice must not get two answers.
	for range 20 {
		if got := e.do("GET", "/v2/models/m", "").node(); got != stable.Name() {
			t.Fatalf("metadata came from %s", got)
		}
	}
}

func TestAHeaderForcesTheVariant(t *testing.T) {
	stable, next := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+halfCanary, stable, next)
	for range 10 {
		if got := e.infer("X-Canary: always").node(); got != next.Name() {
			t.Errorf("always: %s answered", got)
		}
		if got := next.Last().Path; got != "/v2/models/m/versions/2/infer" {
			t.Errorf("the canary was asked for %s", got)
		}
		if got := e.infer("X-Canary: never").node(); got != stable.Name() {
			t.Errorf("never: %s answered", got)
		}
		if got := e.do("POST", "/v2/models/m/versions/1/infer", inferBody, "X-Canary: always").node(); got != stable.Name() {
			t.Errorf("a client that names its version was answered by %s", got)
		}
	}
}

func TestVariantsDoNotShareCachedAnswers(t *testing.T) {
	stable, next := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+`
[routes.m]
pool = "main"
cache = { ttl = "1h" }
canary = { pool = "next", header = "X-Canary" }
`, stable, next)
	next.Handle(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"model_name":"next"}`)) })
	e.hit(func() answer { return e.infer() })
	if got := e.infer("X-Canary: always"); !strings.Contains(got.body, "next") {
		t.Errorf("the canary's request was answered with %q", got.body)
	}
	e.hit(func() answer { return e.infer("X-Canary: always") })
	if got := e.infer(); strings.Contains(got.body, "next") {
		t.Errorf("the stable variant's request was answered with %q", got.body)
	}
}

const shadowed = `
[routes.m]
pool = "main"
[routes.m.shadow]
pool = "next"
version = "9"
percent = 50
timeout = "1m"
`

func TestTheShadowGetsACopyAfterTheAnswer(t *testing.T) {
	stable, shadow := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+shadowed, stable, shadow)
	for range 40 {
		e.infer("X-Custom: kept").want(t, 200)
	}
	eventually(t, "every copy counted", func() bool { return e.metric("ganglion_shadow_sent_total") == 20 })
	got := shadow.Last()
	if got.Path != "/v2/models/m/versions/9/infer" || string(got.Body) != inferBody || got.Header.Get("X-Custom") != "kept" {
		t.Errorf("the copy is %s %q with %v", got.Path, got.Body, got.Header)
	}
	if shadow.Requests() != 20 || stable.Requests() != 40 {
		t.Errorf("the shadow got %d, the route %d; want 20 and 40", shadow.Requests(), stable.Requests())
	}
	eventually(t, "every copy counted as answered", func() bool {
		return e.metric("ganglion_requests_total", "variant", "shadow", "reason", "ok") == 20
	})
}

func TestAFailingShadowHarmsNobody(t *testing.T) {
	stable, shadow := testnode.Start(t), testnode.Start(t)
	// The worst case: the shadow is another version on the very nodes that serve the route.
	e := start(t, oneNode+`
[pools.main.breaker]
consecutive_failures = 1
[routes.m]
pool = "main"
shadow = { version = "9", timeout = "50ms" }
`, stable)
	_ = shadow
	stable.Handle(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/versions/9/") {
			w.WriteHeader(500)
			return
		}
		w.Write([]byte("{}"))
	})
	for range 30 {
		e.infer().want(t, 200)
	}
	eventually(t, "every copy failed", func() bool { return e.metric("ganglion_shadow_failed_total") == 30 })
	if got := e.metric("ganglion_upstream_circuit"); got != 0 {
		t.Errorf("the circuit of the route's own node is %v, want 0 (closed)", got)
	}
	if got := e.metric("ganglion_attempts_total", "outcome", "failure"); got != 0 {
		t.Errorf("%v failures were counted against it", got)
	}
}

func TestAHangingShadowOnlyLosesItsCopies(t *testing.T) {
	stable, shadow := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+strings.Replace(shadowed, "percent = 50", "percent = 100", 1), stable, shadow)
	defer shadow.Hang()()
	for range 600 { // more than the queue holds
		e.infer().want(t, 200)
	}
	if got := e.metric("ganglion_shadow_dropped_total"); got == 0 {
		t.Error("nothing was dropped")
	}
	// Copies under way do not hold up the end.
	began := time.Now()
	if err := e.stop(); err != nil {
		t.Errorf("the gateway ended with: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second { // a copy has a minute
		t.Errorf("the end took %s", took)
	}
}

func TestWhatIsNotMirrored(t *testing.T) {
	stable, shadow := testnode.Start(t), testnode.Start(t)
	e := start(t, twoPools+"[routes.m]\npool = \"main\"\ncache = { ttl = \"1h\" }\nshadow = { pool = \"next\" }\n", stable, shadow)
	e.hit(func() answer { return e.infer() }) // the first of these is
	eventually(t, "the copies sent", func() bool { return e.metric("ganglion_shadow_sent_total") == float64(stable.Requests()) })
	before := shadow.Requests()
	e.hit(func() answer { return e.infer() }) // out of memory
	e.do("GET", "/v2/models/m", "").want(t, 200)
	stable.FailNext(1, 400)
	e.do("POST", inferPath, `{}`).want(t, 400)
	e.logged(4)
	if got := shadow.Requests(); got != before {
		t.Errorf("the shadow got %d more copies, want none", got-before)
	}
}
