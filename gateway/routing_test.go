package gateway

import (
	"net/http"
	"strings"
	"testing"

	"ganglion/internal/oip"
	"ganglion/internal/testnode"
)

func TestRoutesByModelName(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, `
[pools.a]
nodes = [{ address = "%s" }]
[pools.b]
nodes = [{ address = "%s" }]
[routes.iris]
pool = "a"
[routes."*"]
pool = "b"
`, a, b)
	for path, node := range map[string]*testnode.Node{
		"/v2/models/iris/infer":      a,
		"/v2/models/other/infer":     b,
		"/v1/models/iris:predict":    a,
		"/v1/models/irisx:predict":   b,
		"/v2/models/%69ris/infer":    a, // one canonical form decides
		"/v2/models/iris/infer?x=y":  a,
		"/v2/models/iris.v2_b/infer": b,
	} {
		if got := e.do("POST", path, inferBody).want(t, 200).node(); got != node.Name() {
			t.Errorf("%s went to %s, want %s", path, got, node.Name())
		}
	}
	if got := a.Last().Path; !strings.HasPrefix(got, "/v") || strings.Contains(got, "%") {
		t.Errorf("the node saw path %q, want a canonical one", got)
	}
	for _, path := range []string{"/v2/models/iris", "/v2/models/iris/ready", "/v2/models/iris/versions/7", "/v1/models/iris"} {
		if got := e.do("GET", path, "").node(); got != a.Name() {
			t.Errorf("GET %s went to %q, want %s", path, got, a.Name())
		}
	}
}

func TestRouteVersionIsAsked(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\nversion = \"3\"\n", n)
	for _, c := range []struct{ method, path, want string }{
		{"POST", "/v2/models/m/infer", "/v2/models/m/versions/3/infer"},
		{"GET", "/v2/models/m", "/v2/models/m/versions/3"},
		{"GET", "/v2/models/m/config", "/v2/models/m/versions/3/config"},
		{"POST", "/v2/models/m/infer?a=b", "/v2/models/m/versions/3/infer?a=b"},
		{"POST", "/v2/models/m/versions/2/infer", "/v2/models/m/versions/2/infer"}, // the client knows what it wants
	} {
		e.do(c.method, c.path, inferBody)
		if got := n.Last().Path; got != c.want {
			t.Errorf("%s %s reached the node as %s, want %s", c.method, c.path, got, c.want)
		}
	}
}

func TestAnswersWithoutANode(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\n", n)
	for _, c := range []struct {
		method, path  string
		status        int
		want, allowed string
	}{
		{"GET", "/v2", 200, `"name":"ganglion","version":"test"`, ""},
		{"GET", "/v2/health/live", 200, `{"live":true}`, ""},
		{"GET", "/v2/health/ready", 200, `{"ready":true}`, ""},
		{"POST", "/v2/models/unknown/infer", 404, `{"error":"Request for unknown model: 'unknown' is not found"}`, ""},
		{"GET", "/", 404, `{"error":"Not Found: models are at /v2/models/NAME"}`, ""},
		{"POST", "/v2/models/m/infer/", 404, `{"error":"Not Found`, ""},
		{"POST", "/v2//models/m/infer", 404, `{"error":"Not Found`, ""},
		{"POST", "/v2/models/../m/infer", 404, `{"error":"Not Found`, ""},
		{"POST", "/v2/models/m%2finfer", 404, `{"error":"Not Found`, ""},
		{"GET", "/v2/models/m/infer", 405, `{"error":"Method Not Allowed: use POST, QUERY"}`, "POST, QUERY"},
		{"POST", "/v2/health/live", 405, `{"error":"Method Not Allowed: use GET, HEAD"}`, "GET, HEAD"},
		{"DELETE", "/v2/models/m", 405, `{"error":"Method Not Allowed: use GET, HEAD"}`, "GET, HEAD"},
	} {
		got := e.do(c.method, c.path, "")
		if got.status != c.status || !strings.Contains(got.body, c.want) || got.header.Get("Allow") != c.allowed {
			t.Errorf("%s %s: status %d, allow %q, body %q; want %d, %q, %q",
				c.method, c.path, got.status, got.header.Get("Allow"), got.body, c.status, c.allowed, c.want)
		}
		if ct := got.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s %s: content type %q, want JSON", c.method, c.path, ct)
		}
		if got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: no request id", c.method, c.path)
		}
	}
	if got := n.Requests(); got != 0 {
		t.Errorf("%d of these reached the node", got)
	}
}

func TestBodyOverTheLimitIsRefused(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, fastServer+"max_body = \"1KiB\"\n"+oneNode+anyRoute, n)
	got := e.do("POST", inferPath, strings.Repeat("x", 1025)).want(t, 413)
	if !strings.Contains(got.message(), "1KiB") {
		t.Errorf("the answer is %q, want the limit named", got.body)
	}
	// Its line is written after its answer: on another connection, the next request's could come first.
	if line := e.logged(1)[0]; line["reason"] != "too_large" || line["status"] != 413.0 {
		t.Errorf("the log says %v", line)
	}
	e.do("POST", inferPath, strings.Repeat("x", 1024)).want(t, 200)
	if got := n.Requests(); got != 1 {
		t.Errorf("the node got %d requests, want 1", got)
	}
}

func TestHeadAnswersHaveNoBody(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for range 3 { // the connection must stay in step
		got := e.do(http.MethodHead, "/v2/models/m", "")
		if got.status != 200 || got.body != "" || got.header.Get("Content-Length") == "0" {
			t.Fatalf("HEAD: status %d, length %s, body %q", got.status, got.header.Get("Content-Length"), got.body)
		}
		e.infer().want(t, 200)
	}
}

func TestNodeErrorsOfTheClientsMakingPassThrough(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for _, status := range []int{400, 404, 422, 501} {
		n.FailNext(1, status)
		got := e.infer().want(t, status)
		if got.node() != n.Name() || got.message() == "" {
			t.Errorf("%d: got %q from %q, want the node's own words", status, got.body, got.node())
		}
	}
	if got := n.Requests(); got != 4 {
		t.Errorf("the node was asked %d times for 4 requests: such answers are final", got)
	}
	for _, line := range e.logged(4) {
		if line["reason"] != "rejected" {
			t.Errorf("the log says %v", line)
		}
	}
}

// What was routed is what the node reads, however the client wrote it.
func FuzzTarget(f *testing.F) {
	for _, path := range []string{"/v2/models/m/infer", "/v2/models/%6d/versions/3", "/v1/models/m:predict", "/v2/models/m/versions/007/ready", "/v2"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		call, ok := oip.ParsePath(path)
		if !ok || call.Model == "" || call.Kind == oip.CallRepositoryLoad || call.Kind == oip.CallRepositoryUnload {
			return
		}
		target := string(appendTarget(nil, call, "", nil))
		if again, ok := oip.ParsePath(target); !ok || again != call {
			t.Errorf("%q is %+v, but reaches the node as %q, which is %+v", path, call, target, again)
		}
	})
}
