package backend_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
)

// TestAliases: a name for a version can be used wherever its number can, and names another one as soon as the file says so.
func TestAliases(t *testing.T) {
	dir := t.TempDir()
	for _, number := range []string{"1", "2", "3"} {
		putVersion(t, dir, "m", number)
	}
	config := filepath.Join(dir, "m", "config.toml")
	write(t, config, "[aliases]\nprod = \"2\"\nnext = \"4\"\n")
	engine := &generations{t: t}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	if states := n.states("m"); states != "4 UNAVAILABLE m/4/model.onnx is missing, 3 READY, 2 READY" { // the latest, and those that have a name
		t.Errorf("got %q", states)
	}
	for path, answer := range map[string]string{
		"/v2/models/m/infer":                 `"model_version":"3"`,
		"/v2/models/m/versions/latest/infer": `"model_version":"3"`,
		"/v2/models/m/versions/prod/infer":   `"model_version":"2"`,
	} {
		n.post(path, fakeRequestOf("1")).want(t, 200, answer)
	}
	n.get("/v2/models/m/versions/prod").want(t, 200, `"versions":["2","3"]`)
	n.get("/v2/models/m/versions/prod/ready").want(t, 200, "")
	n.post("/v2/models/m/versions/next/infer", fakeRequestOf("1")).want(t, 503, `model \"m\" version 4 (\"next\") is not ready: m/4/model.onnx is missing`)
	n.post("/v2/models/m/versions/stable/infer", fakeRequestOf("1")).want(t, 404, "'m' version stable is not found: its aliases are latest, next, prod")

	write(t, config, "[aliases]\nprod = \"3\"\n")
	n.load("m")
	n.post("/v2/models/m/versions/prod/infer", fakeRequestOf("1")).want(t, 200, `"model_version":"3"`)
	n.post("/v2/models/m/versions/next/infer", fakeRequestOf("1")).want(t, 404, "its aliases are latest, prod")
	if opened := engine.opened.Load(); opened != 2 {
		t.Errorf("%d models were opened, want the 2 of before", opened)
	}
	n.wantStates("m", "3 READY")
	write(t, config, "[aliases]\nprod = \"7\"\n")
	putVersion(t, dir, "m", "4")
	if err := n.server.LoadModel(context.Background(), "m", oip.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "7 (m/7/model.onnx is missing); served: 4") {
		t.Errorf("got %v", err)
	}
	n.wantStates("m", "7 UNAVAILABLE m/7/model.onnx is missing, 4 READY")
	write(t, config, "[aliases]\nprod = \"4\"\n")
	n.load("m")
	n.unload("m")
	n.post("/v2/models/m/versions/prod/infer", fakeRequestOf("1")).want(t, 503, "unloaded")
}

// TestPolicies: which versions are served is up to the model's configuration.
func TestPolicies(t *testing.T) {
	for config, want := range map[string]string{
		"":                          "10 READY",
		"[versions]\nlatest = 2":    "10 READY, 9 READY",
		"[versions]\nlatest = 7":    "10 READY, 9 READY, 2 READY",
		"[versions]\nall = true":    "10 READY, 9 READY, 2 READY",
		"[versions]\nonly = [2, 9]": "9 READY, 2 READY",
		"[versions]\nonly = [3]":    "3 UNAVAILABLE m/3/model.onnx is missing",
		"[versions]\nonly = [9]\n[aliases]\na='2'": "9 READY, 2 READY",
	} {
		dir := t.TempDir()
		for _, number := range []string{"2", "9", "10"} {
			putVersion(t, dir, "m", number)
		}
		write(t, filepath.Join(dir, "m", "config.toml"), config)
		n := startNodeOn(t, &generations{t: t}, dir)
		n.waitReady()
		if got := n.states("m"); got != want {
			t.Errorf("%q: got %q, want %q", config, got, want)
		}
	}
}

// TestLoadGiven: a load request can bring the configuration and the model itself.
func TestLoadGiven(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	n := startNode(t, dir, func(c *backend.Config) { c.Control = backend.ControlFiles })
	content, err := os.ReadFile(filepath.Join(dir, "iris", "1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(name, config string, files map[string][]byte) error {
		opt := oip.LoadOptions{Files: files}
		if config != "" {
			opt.Config = []byte(config)
		}
		return n.server.LoadModel(context.Background(), name, opt)
	}
	if err := load("iris", `{"max_batch_size":1}`, nil); err != nil {
		t.Fatal(err)
	}
	two := `{"inputs":[{"name":"measurements","shape":[2,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2,5.1,3.5,1.4,0.2]}]}`
	n.post("/v2/models/iris/infer", two).want(t, 400, "")
	n.load("iris") // from the folder again
	n.post("/v2/models/iris/infer", two).want(t, 200, "setosa")

	files := map[string][]byte{"7/model.onnx": content}
	if err := load("iris", "{}", files); err != nil {
		t.Fatal(err)
	}
	n.wantStates("iris", "7 READY")
	if err := load("guest", "{}", files); err != nil {
		t.Fatal(err)
	}
	n.post("/v2/models/guest/infer", irisRequest).want(t, 200, `"model_name":"guest","model_version":"7"`)
	n.unload("guest")
	n.wantStates("guest", "") // it has nowhere to come back from

	weights := filepath.Join(t.TempDir(), "model.onnx")
	onnxtest.WriteAt(t, externalWeights("weights.bin"), weights)
	external, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		config string
		files  map[string][]byte
		want   string
	}{
		{"", files, "files need the parameter config"},
		{`{"max_batch_size":`, nil, "failed to load 'guest'"},
		{`{"platform":"tensorflow_savedmodel"}`, nil, "tensorflow"},
		{"{}", map[string][]byte{"../7/model.onnx": content}, `cannot bring the file "../7/model.onnx"`},
		{"{}", map[string][]byte{"7/weights.bin": content}, `only VERSION/model.onnx`},
		{"{}", map[string][]byte{"7/model.onnx": content[:100]}, "7 (model.onnx: "},
		{"{}", map[string][]byte{"7/model.onnx": {}}, "7 (model.onnx: "},
		{"{}", map[string][]byte{"7/model.onnx": external}, "has to have them inside"},
		{"{}", map[string][]byte{}, "no version is available"},
		{"{}", nil, "failed to poll from model repository"},
	} {
		if err := load("guest", bad.config, bad.files); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s %d files: got %v, want %q", bad.config, len(bad.files), err, bad.want)
		}
		n.wantStates("guest", "")
	}
}

// TestControl: what requests may do to the models is the operator's choice.
func TestControl(t *testing.T) {
	dir := t.TempDir()
	putVersion(t, dir, "m", "1")
	bring := oip.LoadOptions{Config: []byte("{}"), Files: map[string][]byte{"1/model.onnx": {}}}
	for _, at := range []struct {
		control     backend.Control
		load, files string // the refusals
	}{
		{backend.ControlOff, "explicit model load / unload is not allowed: ", "explicit model load / unload is not allowed: "},
		{backend.ControlOn, "", "explicit model load / unload is not allowed to bring files"},
		{backend.ControlFiles, "", "failed to load 'm'"},
	} {
		n := startNodeOn(t, &generations{t: t}, dir, func(c *backend.Config) { c.Control = at.control })
		n.waitReady()
		want := func(err error, refusal string) {
			t.Helper()
			if (err == nil) != (refusal == "") || err != nil && !strings.Contains(err.Error(), refusal) {
				t.Errorf("%s: got %v, want %q", at.control, err, refusal)
			}
		}
		want(n.server.LoadModel(t.Context(), "m", oip.LoadOptions{}), at.load)
		want(n.server.LoadModel(t.Context(), "m", bring), at.files)
		want(n.server.UnloadModel(t.Context(), "m", false), at.load)
	}
}
