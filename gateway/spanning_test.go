package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ganglion/internal/oip"
	"ganglion/internal/testnode"
)

const routeM = "[routes.m]\npool = \"main\"\n"

// script answers requests by "METHOD path" with a status and a body; anything else is 404.
func script(answers map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		said, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			said = `404 {"error":"Request for unknown model: 'm' is not found"}`
		}
		var status int
		_, _ = fmt.Sscan(said, &status)
		_, body, _ := strings.Cut(said, " ")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func counted(count uint64, version string) string {
	return "200 " + string(oip.AppendStatistics(nil, []oip.ModelStatistics{{
		Name: "m", Version: version, InferenceCount: count, ExecutionCount: count, LastInference: 1000 + count,
		Inference: oip.InferenceStatistics{Success: oip.StatisticDuration{Count: count, NS: 10 * count}},
		Batches:   []oip.BatchStatistics{{BatchSize: 1, ComputeInfer: oip.StatisticDuration{Count: count, NS: count}}},
		Memory:    []oip.MemoryUsage{{Type: "CPU", ByteSize: 100}},
	}}))
}

func (e *edge) statistics(path string) []oip.ModelStatistics {
	e.t.Helper()
	stats, err := oip.ParseStatistics([]byte(e.do("GET", path, "").want(e.t, 200).body))
	if err != nil {
		e.t.Fatal(err)
	}
	return stats
}

func TestStatisticsAreSummedAndNeverFall(t *testing.T) {
	const path = "/v2/models/m/stats"
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+routeM, a, b)
	says := func(n *testnode.Node, count uint64) {
		n.Handle(script(map[string]string{"GET " + path: counted(count, "1")}))
	}
	sum := func(what string, want uint64) {
		t.Helper()
		s := e.statistics(path)
		if len(s) != 1 || s[0].InferenceCount != want || s[0].Inference.Success.NS != 10*want || s[0].Batches[0].ComputeInfer.Count != want {
			t.Errorf("%s: %+v, want a count of %d", what, s, want)
		}
	}
	says(a, 10)
	says(b, 5)
	sum("two nodes", 15)
	if s := e.statistics(path); s[0].LastInference != 1010 || s[0].Memory[0].ByteSize != 200 {
		t.Errorf("the newest inference and the memory of both: %+v", s[0])
	}
	says(a, 12)
	sum("one has counted on", 17)
	says(a, 3)
	sum("one was restarted, and has counted 3 since", 20)
	b.Stop()
	eventually(t, "the node is down", func() bool { return e.gateway.Status().Pools[0].Nodes[1].State == "down" })
	sum("one is gone", 20)
	if s := e.statistics(path); s[0].Memory[0].ByteSize != 100 {
		t.Errorf("memory of a node that is gone: %+v", s[0].Memory)
	}
	says(b, 1)
	b.Restart()
	eventually(t, "the node is up", func() bool { return e.gateway.Status().Pools[0].Nodes[1].State == "up" })
	sum("it is back, restarted", 21)
	a.Handle(script(nil)) // has unloaded the model
	sum("one has unloaded the model", 21)
}

func TestStatisticsOfVersionsAndOfAllModels(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+routeM, a, b)
	a.Handle(script(map[string]string{
		"GET /v2/models/m/stats": counted(1, "1"), "GET /v2/models/m/versions/1/stats": counted(1, "1"), "GET /v2/models/stats": counted(1, "1"),
	}))
	b.Handle(script(map[string]string{
		"GET /v2/models/m/stats": counted(2, "10"), "GET /v2/models/m/versions/latest/stats": counted(2, "10"),
		"GET /v2/models/stats": strings.ReplaceAll(counted(4, "1"), `"m"`, `"hidden"`),
	}))
	versions := func(path string) (found []string) {
		for _, s := range e.statistics(path) {
			found = append(found, fmt.Sprintf("%s/%s:%d", s.Name, s.Version, s.InferenceCount))
		}
		return found
	}
	for path, want := range map[string][]string{
		"/v2/models/m/stats": {"m/1:1", "m/10:2"}, "/v2/models/m/versions/1/stats": {"m/1:1"}, "/v2/models/m/versions/latest/stats": {"m/10:2"},
		"/v2/models/stats": {"m/1:1", "m/10:2"}, // what no route leads to is nobody's business
	} {
		if got := versions(path); path != "/v2/models/stats" && !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", path, got, want)
		}
	}
	if got, want := versions("/v2/models/stats"), []string{"m/1:1", "m/10:2"}; !slices.Equal(got, want) {
		t.Errorf("/v2/models/stats has %v, want %v", got, want)
	}
	if got := e.do("GET", "/v2/models/m/versions/7/stats", "").want(t, 404).message(); got != "Request for unknown model: 'm' is not found" {
		t.Errorf("a version that no node has: %q", got)
	}
	if got := e.do("GET", "/v2/models/x/stats", "").want(t, 404).message(); got != "Request for unknown model: 'x' is not found" {
		t.Errorf("a model without a route: %q", got)
	}
	b.Handle(script(map[string]string{"GET /v2/models/m/stats": "200 rubbish"}))
	if got := versions("/v2/models/m/stats"); !slices.Equal(got, []string{"m/1:1", "m/10:2"}) {
		t.Errorf("with rubbish from one node: %v", got)
	}
}

// TestLedgerIgnoresAnswersThatWereOvertaken: two clients ask at once, and the older answer comes last.
// A node that makes versions up, new ones each time, must not fill the memory; those that were known before go on counting.
func TestTheLedgerIsBounded(t *testing.T) {
	var l ledger
	all := func(modelVersion) bool { return true }
	asked := time.Now()
	l.note("a", []oip.ModelStatistics{{Name: "m", Version: "1", InferenceCount: 1}}, asked)
	for round := range 3 {
		invented := make([]oip.ModelStatistics, mostAccounted/2)
		for i := range invented {
			invented[i] = oip.ModelStatistics{Name: "m", Version: fmt.Sprint(1000000*(round+1) + i)}
		}
		l.note("b", invented, asked)
	}
	l.note("a", []oip.ModelStatistics{{Name: "m", Version: "1", InferenceCount: 5}}, asked)
	sums := l.sums(asked, all)
	if len(sums) != mostAccounted || sums[0].Version != "1" || sums[0].InferenceCount != 5 {
		t.Errorf("%d versions, the first is %+v", len(sums), sums[0])
	}
}

// What no route leads to is not kept either.
func TestTheLedgerKnowsRoutedModelsOnly(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+routeM, n)
	n.Handle(script(map[string]string{"GET /v2/models/stats": strings.ReplaceAll(counted(4, "1"), `"m"`, `"hidden"`)}))
	e.statistics("/v2/models/stats")
	if got := len(e.gateway.ledger.entries); got != 0 {
		t.Errorf("%d model versions are remembered", got)
	}
}

func TestLedgerIgnoresAnswersThatWereOvertaken(t *testing.T) {
	var l ledger
	all := func(modelVersion) bool { return true }
	count := func(n uint64) []oip.ModelStatistics {
		return []oip.ModelStatistics{{Name: "m", Version: "1", InferenceCount: n}}
	}
	asked := time.Now()
	l.note("a", count(12), asked)
	l.note("a", count(10), asked)
	if got := l.sums(asked, all)[0].InferenceCount; got != 12 {
		t.Errorf("an answer that was overtaken counts as a restart: %d, want 12", got)
	}
	l.note("a", count(4), time.Now().Add(time.Hour))
	if got := l.sums(asked, all)[0].InferenceCount; got != 16 {
		t.Errorf("after a restart the sum is %d, want 16", got)
	}
}

func TestIndexIsMerged(t *testing.T) {
	const path = "/v2/repository/index"
	a, b, other := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+"[pools.next]\nnodes = [{ address = \"%s\" }]\n[routes.m]\npool = \"main\"\n[routes.m.canary]\npool = \"next\"\nweight = 1.0\n",
		a, b, other)
	index := func(entries ...oip.IndexEntry) http.HandlerFunc {
		return script(map[string]string{"POST " + path: "200 " + string(oip.AppendIndex(nil, entries))})
	}
	a.Handle(index(
		oip.IndexEntry{Name: "m", Version: "1", State: oip.StateReady}, oip.IndexEntry{Name: "m", Version: "9", State: oip.StateLoading},
		oip.IndexEntry{Name: "hidden", Version: "1", State: oip.StateReady},
	))
	b.Handle(index(
		oip.IndexEntry{Name: "m", Version: "1", State: oip.StateReady}, oip.IndexEntry{Name: "m", Version: "2", State: oip.StateReady},
		oip.IndexEntry{Name: "m", Version: "9", State: oip.StateUnavailable, Reason: "no memory"},
	))
	other.Handle(index(
		oip.IndexEntry{Name: "m", Version: "10", State: oip.StateUnavailable, Reason: "bad file"},
		oip.IndexEntry{Name: "m"},
	))
	get := func(body string) []oip.IndexEntry {
		t.Helper()
		entries, err := oip.ParseIndex([]byte(e.do("POST", path, body).want(t, 200).body))
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	want := []oip.IndexEntry{
		{Name: "m", Version: "1", State: oip.StateReady},
		{Name: "m", Version: "2", State: oip.StateReady, Reason: "ready on 1 of 2 nodes; " + a.Address() + ": not there"},
		{Name: "m", Version: "9", State: oip.StateLoading, Reason: a.Address() + ": LOADING; " + b.Address() + ": UNAVAILABLE: no memory"},
		{Name: "m", Version: "10", State: oip.StateUnavailable, Reason: "bad file"},
	}
	if got := get(""); !slices.Equal(got, want) {
		t.Errorf("index\n%+v, want\n%+v", got, want)
	}
	if got := a.Last().Header.Values("Content-Type"); !slices.Equal(got, []string{"application/json"}) {
		t.Errorf("a node got the content types %q", got)
	}
	if got := get(`{"ready":true}`); !slices.Equal(got, want[:2]) {
		t.Errorf("ready ones\n%+v, want\n%+v", got, want[:2])
	}
	for _, path := range []string{"/v2/models", "/v1/models"} {
		if got := e.do("GET", path, "").want(t, 200).body; got != `{"models":["m"]}` {
			t.Errorf("%s is %s", path, got)
		}
	}
	if got := e.do("POST", path, `{"ready":1}`).want(t, 400).message(); got != `"ready" is a number, expected true or false` {
		t.Errorf("refused with %q", got)
	}
	a.Stop()
	eventually(t, "the node is down", func() bool { return e.gateway.Status().Pools[0].Nodes[0].State == "down" })
	if got := get("")[0]; got.State != oip.StateReady || got.Reason != "ready on 1 of 2 nodes; "+a.Address()+": no answer" {
		t.Errorf("with a node down: %+v", got)
	}
	b.FailAlways(500)
	other.Handle(script(nil)) // has no index
	if got := e.do("POST", path, ""); got.status != 502 {
		t.Errorf("no index at all: %d %s", got.status, got.body)
	}
}

// What only the shadow has is served to nobody, and must not look as if it were.
func TestIndexTellsTheShadowApart(t *testing.T) {
	main, shadow := testnode.Start(t), testnode.Start(t)
	const call = "POST /v2/repository/index"
	main.Handle(script(map[string]string{call: `200 [{"name":"m","version":"1","state":"READY"}]`}))
	shadow.Handle(script(map[string]string{call: `200 [{"name":"m","version":"1","state":"READY"},{"name":"m","version":"2","state":"READY"}]`}))
	e := start(t, twoPools+"[routes.m]\npool = \"main\"\n[routes.m.shadow]\npool = \"next\"\npercent = 1.0\n", main, shadow)
	got, err := oip.ParseIndex([]byte(e.do("POST", "/v2/repository/index", "").want(t, 200).body))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].State != oip.StateReady || got[0].Reason != "" {
		t.Errorf("what both have is %+v", got[0])
	}
	if got[1].State != oip.StateUnavailable || got[1].Reason != "ready only for the shadow, which answers no client" {
		t.Errorf("what the shadow alone has is %+v", got[1])
	}
}

func TestModelsOfNodesWithoutAnIndex(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+routeM+"[routes.n]\npool = \"main\"\n", a, b)
	a.Handle(script(map[string]string{"GET /v2/models": `200 {"models":["n","hidden","m"]}`}))
	b.Handle(script(nil))
	if got := e.do("GET", "/v2/models", "").want(t, 200).body; got != `{"models":["m","n"]}` {
		t.Errorf("models %s", got)
	}
	a.Handle(script(nil))
	e.do("GET", "/v1/models", "").want(t, 404)
}

func TestLoadReachesEveryNode(t *testing.T) {
	const path, body = "/v2/repository/models/m/load", `{"parameters":{"config":"{}"}}`
	a, b, shadow := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	nodes := []*testnode.Node{a, b, shadow}
	e := start(t, twoNodes+"[pools.next]\nnodes = [{ address = \"%s\" }]\n[routes.m]\npool = \"main\"\n[routes.m.shadow]\npool = \"next\"\npercent = 1.0\n", nodes...)
	fine := script(map[string]string{"POST " + path: "200 ", "POST /v2/repository/models/m/unload": "200 "})
	for _, n := range nodes {
		n.Handle(fine)
	}
	if got := e.do("POST", path, body).want(t, 200); got.body != "" {
		t.Errorf("answered with %q", got.body)
	}
	for _, n := range nodes {
		if last := n.Last(); last.Path != path || string(last.Body) != body || n.Requests() != 1 {
			t.Errorf("a node got %s %q, %d requests", last.Path, last.Body, n.Requests())
		}
	}
	e.do("POST", "/v2/repository/models/m/unload", "").want(t, 200)
	e.do("POST", path, body, "Content-Encoding: gzip", "Accept-Encoding: gzip").want(t, 200) // what it really is, the node will say
	if h := a.Last().Header; h.Get("Content-Encoding") != "gzip" || h.Get("Accept-Encoding") != "" {
		t.Errorf("a node got the headers %v", h)
	}

	b.Handle(script(map[string]string{"POST " + path: `400 {"error":"failed to load 'm'"}`}))
	got := e.do("POST", path, body).want(t, 400).message()
	if want := "model 'm' is loaded on 2 of 3 nodes; " + b.Address() + ": failed to load 'm'"; got != want {
		t.Errorf("one node fails: %q, want %q", got, want)
	}
	for _, n := range nodes {
		n.Handle(script(map[string]string{"POST " + path: `503 {"error":"explicit model load / unload is not allowed"}`}))
	}
	if got := e.do("POST", path, body).want(t, 503).message(); got != "explicit model load / unload is not allowed" {
		t.Errorf("all nodes refuse alike: %q", got)
	}
	for _, n := range nodes {
		n.Handle(fine)
	}
	a.Stop()
	got = e.do("POST", path, body).want(t, 502).message()
	if want := "model 'm' is loaded on 2 of 3 nodes; " + a.Address() + ": no answer"; got != want {
		t.Errorf("one node is gone: %q, want %q", got, want)
	}
	e.do("POST", "/v2/repository/models/x/load", "").want(t, 404)
}

// TestLoadEndsCachedAnswers: another version may be there now.
func TestLoadEndsCachedAnswers(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.m]\npool = \"main\"\ncache = { ttl = \"10m\" }\n", n)
	e.infer().want(t, 200)
	eventually(t, "the answer is cached", func() bool { return e.infer().header.Get("X-Cache") == "hit" })
	n.Handle(script(map[string]string{"POST /v2/repository/models/m/load": "200 "}))
	e.do("POST", "/v2/repository/models/m/load", "").want(t, 200)
	n.Heal()
	if got := e.infer().want(t, 200).header.Get("X-Cache"); got != "miss" {
		t.Errorf("after a load the cache has a %s", got)
	}
	eventually(t, "the new answer is cached", func() bool { return e.infer().header.Get("X-Cache") == "hit" })
}

func TestMetadataComesFromWhoeverHasTheModel(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+routeM, a, b)
	a.Handle(script(map[string]string{"GET /v2/models/m/ready": `400 {"error":"Model version not ready"}`}))
	b.Handle(script(map[string]string{
		"GET /v2/models/m": `200 {"name":"m"}`, "GET /v2/models/m/config": `200 {"name":"m","max_batch_size":8}`, "GET /v2/models/m/ready": "200 ",
		"GET /v1/models/m": `200 {"name":"m","ready":true}`,
	}))
	for _, path := range []string{"/v2/models/m", "/v2/models/m/config", "/v2/models/m/ready", "/v1/models/m"} {
		for range 4 { // whichever node comes first
			e.do("GET", path, "").want(t, 200)
		}
	}
	b.Handle(script(nil))
	if got := e.do("GET", "/v2/models/m", "").want(t, 404).message(); got != "Request for unknown model: 'm' is not found" {
		t.Errorf("no node has it: %q", got)
	}
	a.Stop()
	b.Stop()
	if got := e.do("GET", "/v2/models/m/ready", ""); got.status < 500 {
		t.Errorf("no node is up: %d %s", got.status, got.body)
	}
}

func TestExtensionsThatAreNotOffered(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+routeM, n)
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/v2/systemsharedmemory/status", "shared memory is not supported, send the data with the request"},
		{"POST", "/v2/cudasharedmemory/region/r/register", "shared memory is not supported, send the data with the request"},
		{"GET", "/v2/trace/setting", "trace settings are not supported"},
		{"POST", "/v2/models/m/trace/setting", "trace settings are not supported"},
		{"POST", "/v2/logging", "log settings are not supported"},
		{"POST", "/v2/repository/r/index", "named repositories are not supported"},
	} {
		if got := e.do(c.method, c.path, "").want(t, 501).message(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
	}
	if n.Requests() != 0 {
		t.Errorf("%d of these reached the node", n.Requests())
	}
	var m struct {
		Extensions []string `json:"extensions"`
	}
	if err := json.Unmarshal([]byte(e.do("GET", "/v2", "").body), &m); err != nil || !slices.Contains(m.Extensions, "statistics") ||
		slices.Contains(m.Extensions, "system_shared_memory") {
		t.Errorf("extensions %q, %v", m.Extensions, err)
	}
}

func TestPathPrefix(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\npath_prefix = \"/serving/eu\"\n"+oneNode+routeM, n)
	e.do("POST", "/serving/eu"+inferPath, inferBody).want(t, 200)
	if got := n.Last().Path; got != inferPath {
		t.Errorf("the node was asked for %s", got)
	}
	e.do("GET", "/serving/eu/v2/health/live", "").want(t, 200)
	for _, path := range []string{"/v2/health/live", "/serving/v2/health/live", "/serving/eux/v2/health/live", "/serving/eu", "/serving%2feu/v2/health/live"} {
		e.do("GET", path, "").want(t, 404)
	}
	for _, bad := range []string{"/", "serving", "/serving/", "/a//b", "/a%20b"} {
		_, _, err := ParseConfig("test.toml", fmt.Appendf(nil, "[server]\npath_prefix = %q\n"+oneNode+routeM, bad, n.Address()))
		if err == nil || !strings.Contains(err.Error(), "path_prefix") {
			t.Errorf("the prefix %q gives %v", bad, err)
		}
	}
}

func TestQueryIsPost(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+routeM, n)
	e.do("QUERY", inferPath, inferBody, "Content-Type: application/json").want(t, 200)
	if last := n.Last(); last.Method != "POST" || string(last.Body) != inferBody {
		t.Errorf("the node got %s %q", last.Method, last.Body)
	}
}

// Nodes that come and go for ever, each with an address of its own, take no more memory, and what they counted stays.
func TestLedgerOfManyNodesOverTime(t *testing.T) {
	var l ledger
	const nodes = mostAccounts + 50
	for i := range nodes {
		l.note(fmt.Sprintf("10.0.%d.%d:9000", i/256, i%256), []oip.ModelStatistics{{Name: "m", Version: "1", InferenceCount: 2}}, time.Now())
	}
	if n := len(l.entries[modelVersion{"m", "1"}]); n > mostAccounts+1 {
		t.Errorf("%d accounts are kept, want %d and that of the departed", n, mostAccounts)
	}
	sums := l.sums(time.Time{}, func(modelVersion) bool { return true })
	if len(sums) != 1 || sums[0].InferenceCount != 2*nodes {
		t.Errorf("the sums are %+v, want %d inferences", sums, 2*nodes)
	}
}
