package backend_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/internal/conf"
	"ganglion/internal/hop"
)

// TestQuery: RFC 10008's method does what POST does, where POST only asks.
func TestQuery(t *testing.T) {
	n := startNode(t, demoModels(t))
	n.do("QUERY", "/v2/models/iris/infer", strings.NewReader(irisRequest)).want(t, 200, "setosa")
	n.do("QUERY", "/v1/models/iris:predict", strings.NewReader(`{"instances":[[5.1,3.5,1.4,0.2]]}`)).want(t, 200, "setosa")
	n.do("QUERY", "/v2/repository/models/iris/unload", nil).want(t, 405, "Method Not Allowed")
	n.do("QUERY", "/v2/models/iris", nil).want(t, 405, "Method Not Allowed")
}

// TestPathPrefix: paths are answered with the prefix and without it, and with nothing else in front.
func TestPathPrefix(t *testing.T) {
	n := startNode(t, demoModels(t), func(c *backend.Config) { c.PathPrefix = "/serving/eu" })
	for _, prefix := range []string{"", "/serving/eu"} {
		n.get(prefix+"/v2/health/ready").want(t, 200, "ready")
		n.post(prefix+"/v2/models/iris/infer", irisRequest).want(t, 200, "setosa")
		n.post(prefix+"/v1/models/iris:predict", `{"instances":[[5.1,3.5,1.4,0.2]]}`).want(t, 200, "setosa")
	}
	for _, prefix := range []string{"/serving", "/serving/eu/serving/eu", "/serving/euv2"} {
		n.get(prefix+"/v2/health/ready").want(t, 404, "Not Found")
	}
}

// TestExtensionsWeDoNotHave are refused for what they are.
func TestExtensionsWeDoNotHave(t *testing.T) {
	n := startNode(t, demoModels(t))
	for path, text := range map[string]string{
		"/v2/systemsharedmemory/status":          "shared memory is not supported",
		"/v2/cudasharedmemory/region/x/register": "shared memory is not supported",
		"/v2/trace/setting":                      "trace settings are not supported",
		"/v2/models/iris/trace/setting":          "trace settings are not supported",
		"/v2/logging":                            "log settings are not supported",
		"/v2/repository/other/index":             "named repositories are not supported",
	} {
		method := "GET"
		if strings.HasSuffix(path, "register") || strings.HasSuffix(path, "index") {
			method = "POST"
		}
		n.do(method, path, nil).want(t, 501, text)
	}
}

// TestRepositoryCalls: a model is unloaded, and loaded again, by the calls that Triton's clients make; both answer without a
// body.
func TestRepositoryCalls(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	n := startNode(t, dir, func(c *backend.Config) { c.Control = backend.ControlFiles })
	if a := n.post("/v2/repository/models/iris/unload", `{"parameters":{"unload_dependents":true}}`); a.status != 200 || a.body != "" {
		t.Fatalf("unload: got %d %q", a.status, a.body)
	}
	n.post("/v2/models/iris/infer", irisRequest).wantRefusal(t, "model_not_ready", "unloaded")
	n.get("/v2/health/ready").want(t, 200, "")
	if a := n.post("/v2/repository/models/iris/load", ""); a.status != 200 || a.body != "" {
		t.Fatalf("load: got %d %q", a.status, a.body)
	}
	n.post("/v2/models/iris/infer", irisRequest).want(t, 200, "setosa")

	model, err := os.ReadFile(filepath.Join(demoModels(t), "iris", "1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	load := fmt.Sprintf(`{"parameters":{"config":"{\"name\":\"iris\",\"max_batch_size\":4}","file:7/model.onnx":%q}}`, base64.StdEncoding.EncodeToString(model))
	n.post("/v2/repository/models/iris/load", load).want(t, 200, "")
	n.post("/v2/models/iris/versions/7/infer", irisRequest).want(t, 200, `"model_version":"7"`)
	n.get("/v2/models/iris/config").want(t, 200, `"max_batch_size":4`)

	n.post("/v2/repository/models/rose/load", "").want(t, 404, "rose")
	n.post("/v2/repository/models/iris/load", "[]").want(t, 400, "")
	n.post("/v2/repository/models/iris/load", `{"parameters":{"config":"nonsense"}}`).want(t, 400, "")
	n.post("/v2/repository/models/iris/unload", `{"parameters":{"unload_everything":true}}`).want(t, 400, "unload_everything")
	n.post("/v2/models/iris/versions/7/infer", irisRequest).want(t, 200, `"model_version":"7"`)
}

// TestModelConfig: what a benchmark client reads of a configuration is there.
func TestModelConfigAnswer(t *testing.T) {
	n := startNode(t, demoModels(t))
	var c struct {
		Name         string
		Platform     string
		MaxBatchSize *int `json:"max_batch_size"`
		Input        []struct {
			Name     string
			DataType string `json:"data_type"`
			Dims     []int
		}
		Output []struct{ Name string }
	}
	a := n.get("/v2/models/iris/versions/1/config")
	if err := json.Unmarshal([]byte(a.body), &c); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if c.Name != "iris" || c.MaxBatchSize == nil || len(c.Input) != 1 || c.Input[0].DataType != "TYPE_FP32" || len(c.Output) != 3 {
		t.Errorf("got %s", a.body)
	}
	n.get("/v2/models/rose/config").want(t, 404, "'rose' is not found")
}

// TestClassification: the best classes come as texts, with the labels that the model's folder has for them.
func TestClassification(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	write(t, filepath.Join(dir, "iris", "config.toml"), "[outputs.probabilities]\nlabels = \"names.txt\"\n")
	write(t, filepath.Join(dir, "iris", "names.txt"), "setosa\nversicolor\nvirginica\n")
	n := startNode(t, dir)
	ask := func(rows, classes string) answer {
		t.Helper()
		data := strings.TrimSuffix(strings.Repeat("5.1,3.5,1.4,0.2,", map[string]int{"1": 1, "2": 2}[rows]), ",")
		return n.post("/v2/models/iris/infer", `{"inputs":[{"name":"measurements","shape":[`+rows+`,4],"datatype":"FP32","data":[`+data+`]}],`+
			`"outputs":[{"name":"probabilities","parameters":{"classification":`+classes+`}},{"name":"species"}]}`)
	}
	got := ask("2", "2").outputs(t)["probabilities"]
	if got.Datatype != "BYTES" || !slices.Equal(got.Shape, []int64{2, 2}) || len(got.Data) != 4 {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []string{":0:setosa", ":1:versicolor", ":0:setosa", ":1:versicolor"} {
		if text, ok := got.Data[i].(string); !ok || !strings.HasPrefix(text, "0.") && !strings.HasPrefix(text, "1.") || !strings.HasSuffix(text, want) {
			t.Errorf("class %d is %v, want it to end in %s", i, got.Data[i], want)
		}
	}
	if got := ask("1", "99").outputs(t)["probabilities"]; !slices.Equal(got.Shape, []int64{1, 3}) {
		t.Errorf("more classes than there are: got %+v", got)
	}
	ask("1", "0").want(t, 400, `parameter \"classification\" is 0, expected a whole number from 1`)
	n.post("/v2/models/iris/infer", strings.Replace(irisRequest, `{"inputs"`, `{"outputs":[{"name":"species","parameters":{"classification":1}}],"inputs"`, 1)).
		want(t, 400, "cannot be classified")
}

// TestLoadHeader: whoever asks is told how busy node and model are.
func TestLoadHeader(t *testing.T) {
	n := startNode(t, demoModels(t))
	ask := func(header ...string) string {
		t.Helper()
		a := n.do("POST", "/v2/models/iris/infer", strings.NewReader(irisRequest), header...)
		a.want(t, 200, "setosa")
		return a.header.Get(hop.LoadHeader)
	}
	if got := ask(); got != "" {
		t.Errorf("unasked: %q", got)
	}
	for _, header := range [][2]string{{"endpoint-load-metrics-format", "text"}, {"X-Ganglion-Load", "1"}} {
		node, model := hop.ParseLoad(ask(header[0], header[1]))
		if !node.Known || !model.Known || model.InFlight != 1 || model.Queued != 0 {
			t.Errorf("%s: got %+v and %+v", header[0], node, model)
		}
	}
	if got := ask("endpoint-load-metrics-format", "bin"); got != "" {
		t.Errorf("a format that we do not have: %q", got)
	}
}

// TestRefusalsBeforeTheHandlerAreCounted: what is refused for its form never gets to a model, and is not lost either.
func TestRefusalsBeforeTheHandlerAreCounted(t *testing.T) {
	n := startNode(t, demoModels(t), func(c *backend.Config) { c.HTTP.MaxBody = conf.KiB })
	n.post("/v2/models/iris/infer", strings.Repeat(" ", 1025)).want(t, 413, "larger than 1KiB (max_body)")
	n.do("GET", "/v2", nil, "X-Long", strings.Repeat("x", 64<<10)).want(t, 431, "max_header")
	n.waitMetric(`ganglion_node_http_refusals_total{status="413"}`, 1)
	n.waitMetric(`ganglion_node_http_refusals_total{status="431"}`, 1)
}
