package backend_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// externalWeights is a model that keeps its weights in another file.
func externalWeights(location string) *onnxfile.Model {
	m := &onnxfile.Model{Name: "external"}
	m.Input("x", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))
	m.Output("y", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))
	m.Initializer(onnxfile.Data{Name: "w", Elem: onnxfile.Float, Dims: []int64{2}, External: []onnxfile.Property{{Key: "location", Value: location}}})
	m.Node("Add", "x w", "y")
	return m
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenModels: each keeps only itself from being served, and its reason is wherever somebody might look.
func TestBrokenModels(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "model.onnx")
	onnxtest.WriteAt(t, onnxtest.Sum(), outside)
	whole, err := os.ReadFile(outside)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name, "1", "model.onnx") }
	config := func(name, content string) {
		onnxtest.WriteAt(t, onnxtest.Sum(), at(name))
		write(t, filepath.Join(dir, name, "config.toml"), content)
	}
	broken := []struct {
		name   string
		make   func(name string)
		reason string
	}{
		{"truncated", func(name string) { write(t, at(name), string(whole[:len(whole)-20])) }, "model.onnx: "},
		{"empty", func(name string) { write(t, at(name), "") }, "model.onnx: "},
		{"no-file", func(name string) { write(t, filepath.Join(dir, name, "1", "other.txt"), "") }, "no-file/1/model.onnx is missing"},
		{"no-version", func(name string) { write(t, filepath.Join(dir, name, "config.toml"), "") }, "it has no version: want no-version/1/model.onnx"},
		{"no-number", func(name string) { write(t, filepath.Join(dir, name, "v1", "model.onnx"), string(whole)) }, "it has no version: want no-number/1/model.onnx, not no-number/v1/model.onnx"},
		{"no-folder", func(name string) { write(t, filepath.Join(dir, name, "model.onnx"), string(whole)) }, "it has no version: want no-folder/1/model.onnx, not no-folder/model.onnx"},
		{"unknown-key", func(name string) { config(name, "[inputs.a]\ntxt = true\n") }, `unknown-key/config.toml:2`},
		{"no-toml", func(name string) { config(name, "inputs = [") }, "no-toml/config.toml:1"},
		{"wrong-input", func(name string) { config(name, "[inputs.c]\ntext = true\n") }, `config.toml:1 configures an input "c", but the model's inputs are ["a" "b"]`},
		{"text-on-floats", func(name string) { config(name, "[inputs.a]\ntext = true\n") }, `config.toml:2 sets text = true for input "a", which is FP32 [-1 -1]: text needs UINT8 [-1 -1]`},
		{"text-on-one-row", func(name string) {
			onnxtest.WriteAt(t, onnxtest.Identity(onnxfile.Uint8, onnxtest.Batch()), at(name))
			write(t, filepath.Join(dir, name, "config.toml"), "[inputs.x]\ntext = true\n")
		}, `which is UINT8 [-1]: text needs UINT8 [-1 -1]`},
		{"sequence", func(name string) {
			m := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("n"))
			element := m.Inputs[0].Type
			m.Outputs[0].Type = onnxfile.Type{Kind: onnxfile.Sequence, Of: &element}
			m.Nodes = nil
			m.Node("SequenceConstruct", "x", "y")
			onnxtest.WriteAt(t, m, at(name))
		}, `output "y" is a sequence: only tensors can be served`},
		{"weights-above", func(name string) { onnxtest.WriteAt(t, externalWeights("../../weights.bin"), at(name)) }, `model.onnx keeps weights in "../../weights.bin", outside of its own folder`},
		{"weights-elsewhere", func(name string) { onnxtest.WriteAt(t, externalWeights("/etc/passwd"), at(name)) }, `model.onnx keeps weights in "/etc/passwd", outside of its own folder`},
		{"weights-linked", func(name string) {
			onnxtest.WriteAt(t, externalWeights("weights.bin"), at(name))
			link(t, outside, filepath.Join(dir, name, "1", "weights.bin"))
		}, "weights.bin is a link that leads out of the model repository"},
		{"weights-missing", func(name string) { onnxtest.WriteAt(t, externalWeights("weights.bin"), at(name)) }, "weights.bin is missing"},
		{"linked", func(name string) { link(t, outside, at(name)) }, "linked/1/model.onnx is a link that leads out of the model repository"},
		{"linked-folder", func(name string) {
			onnxtest.WriteAt(t, onnxtest.Sum(), filepath.Join(filepath.Dir(outside), "1", "model.onnx"))
			link(t, filepath.Dir(outside), filepath.Join(dir, name))
		}, "is a link that leads out of the model repository"},
		{"linked-config", func(name string) {
			onnxtest.WriteAt(t, onnxtest.Sum(), at(name))
			link(t, outside, filepath.Join(dir, name, "config.toml"))
		}, "linked-config/config.toml is a link that leads out"},
		{"pipe", func(name string) {
			if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(at(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "pipe/1/model.onnx is not a regular file"},
	}
	for _, b := range broken {
		b.make(b.name)
	}
	write(t, filepath.Join(dir, "bad name", "1", "model.onnx"), string(whole))
	write(t, filepath.Join(dir, "no-model", "README.md"), "nothing to serve")
	write(t, filepath.Join(dir, "README.md"), "a file")
	write(t, filepath.Join(dir, ".hidden", "1", "model.onnx"), "")
	copyModel(t, "iris", dir)

	n := startNode(t, dir)
	n.post("/v2/models/iris/infer", irisRequest).want(t, 200, "setosa")
	index := n.readIndex(t)
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			if got := index[b.name]; got.State != "UNAVAILABLE" || !strings.Contains(got.Reason, b.reason) {
				t.Errorf("index: got %+v, want the reason %q", got, b.reason)
			}
			quoted, err := json.Marshal(b.reason)
			if err != nil {
				t.Fatal(err)
			}
			reason := strings.Trim(string(quoted), `"`)
			for _, path := range []string{"/v2/models/" + b.name + "/ready", "/v2/models/" + b.name, "/v1/models/" + b.name} {
				a := n.get(path)
				a.want(t, 503, reason)
				if a.header.Get("Retry-After") == "" {
					t.Error("a 503 without Retry-After")
				}
			}
			n.post("/v2/models/"+b.name+"/infer", irisRequest).wantRefusal(t, oip.NotReady, reason)
			n.post("/v1/models/"+b.name+":predict", `{"instances":[]}`).wantRefusal(t, oip.NotReady, reason)
			if a := n.get("/v2/models/" + b.name + "/ready"); strings.Contains(a.body, dir) || strings.Contains(a.body, filepath.Dir(outside)) {
				t.Errorf("the client is told where the repository lies: %s", a.body)
			}
		})
	}
	if got := index["bad name"]; got.State != "UNAVAILABLE" || !strings.Contains(got.Reason, "cannot be in a URL") {
		t.Errorf("bad name: got %+v", got)
	}
	if len(index) != len(broken)+2 {
		t.Errorf("the index lists %d models, want %d", len(index), len(broken)+2)
	}
	for _, line := range []string{"cannot load a model", "sequence"} {
		if !strings.Contains(n.log.String(), line) {
			t.Errorf("the log does not say %q", line)
		}
	}
	if runtime.GOOS == "linux" {
		n.get("/metrics").want(t, 200, "ganglion_node_load_failures_total 21")
	}
}

type indexed struct{ Name, Version, State, Reason string }

// readIndex asks for the repository index; of several versions of a model, the last one listed stays.
func (n *node) readIndex(t *testing.T) map[string]indexed {
	t.Helper()
	a := n.post("/v2/repository/index", "")
	var list []indexed
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != 200 {
		t.Fatalf("got %d %s (%v)", a.status, a.body, err)
	}
	index := map[string]indexed{}
	for _, m := range list {
		index[m.Name] = m
	}
	return index
}

// TestLongReasons: hundreds of versions with hundreds of problems each are told of in one line.
func TestLongReasons(t *testing.T) {
	dir := t.TempDir()
	var config strings.Builder
	for i := range 200 {
		fmt.Fprintf(&config, "key%d = %q\n", i, dir)
	}
	write(t, filepath.Join(dir, "m", "config.toml"), config.String())
	for version := range 200 {
		onnxtest.WriteAt(t, onnxtest.Sum(), filepath.Join(dir, "m", strconv.Itoa(1+version), "model.onnx"))
	}
	a := startNode(t, dir).get("/v2/models/m")
	a.want(t, 503, `model \"m\" is not ready: m/config.toml:1: key0: unknown key; accepted here: `)
	a.want(t, 503, `(and 199 more: the node's log has all)`)
	if strings.Contains(a.body, dir) || len(a.body) > 1000 {
		t.Errorf("%d bytes: %s", len(a.body), a.body)
	}
}

// TestLinksInside: links that stay in the repository are how some deployments publish files.
func TestLinksInside(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	link(t, filepath.Join("..", "..", "iris", "1", "model.onnx"), filepath.Join(dir, "alias", "1", "model.onnx"))
	root := filepath.Join(t.TempDir(), "models")
	link(t, dir, root)
	n := startNode(t, root)
	n.post("/v2/models/alias/infer", irisRequest).want(t, 200, "setosa")
}

// TestExternalWeights: weights beside the model are fine.
func TestExternalWeights(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, externalWeights("weights.bin"), filepath.Join(dir, "m", "1", "model.onnx"))
	write(t, filepath.Join(dir, "m", "1", "weights.bin"), "\x00\x00\x80\x3f\x00\x00\x00\x40") // 1 and 2
	n := startNode(t, dir)
	n.post("/v2/models/m/infer", `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[10,20]}]}`).want(t, 200, `"data":[11,22]`)
}

// TestNoRepository: a folder that is not there is the operator's typo, said at once.
func TestNoRepository(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), filepath.Join(demoModels(t), "iris", "1", "model.onnx")} {
		if err := newServer(t, path); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line that names %q", err, path)
		}
	}
}
