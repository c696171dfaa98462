package backend_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/onnxfile"
)

// TestModelConfigShowsWhatWasFound: in Triton's words, whatever was said in which file.
func TestModelConfigShowsWhatWasFound(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	onnxtest.WriteAt(t, halves(), filepath.Join(dir, "halves", "1", "model.onnx"))
	write(t, filepath.Join(dir, "halves", "config.toml"), `
max_batch_size = 16
max_queue_delay = "2ms"
queue_timeout = "3s"
priority_levels = 2
[versions]
latest = 1
[instances]
device = "cpu"
count = 3
threads = 2
[[warm_up]]
name = "two rows"
rows = 2
inputs.x = { data = "random" }
`)
	n := startNode(t, dir)
	config := func(model string) (c map[string]any) {
		t.Helper()
		answer := n.get("/v2/models/" + model + "/config")
		if err := json.Unmarshal([]byte(answer.body), &c); err != nil || answer.status != 200 {
			t.Fatalf("got %d %s", answer.status, answer.body)
		}
		return c
	}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	iris, halves := config("iris"), config("halves")
	for _, c := range []struct{ got, want string }{
		{text(iris["max_batch_size"]), "64"},
		{text(iris["input"].([]any)[0].(map[string]any)["dims"]), `["4"]`},
		{text(iris["backend"]), `"onnxruntime"`},
		{text(halves["max_batch_size"]), "16"},
		{text(halves["input"].([]any)[0].(map[string]any)["dims"]), `[]`},
		{text(halves["dynamic_batching"].(map[string]any)["max_queue_delay_microseconds"]), "2000"},
		{text(halves["instance_group"].([]any)[0].(map[string]any)["count"]), "3"},
		{text(halves["instance_group"].([]any)[0].(map[string]any)["kind"]), `"KIND_CPU"`},
	} {
		if strings.Trim(c.got, `"`) != strings.Trim(c.want, `"`) && strings.ReplaceAll(c.got, `"`, "") != strings.ReplaceAll(c.want, `"`, "") {
			t.Errorf("got %s, want %s\n%s\n%s", c.got, c.want, text(iris), text(halves))
		}
	}
}

// TestShapesTellWhetherThereIsABatch: in a config.pbtxt that does not say max_batch_size.
func TestShapesTellWhetherThereIsABatch(t *testing.T) {
	dir := t.TempDir()
	for model, config := range map[string]string{
		"whole": `input { name: "x" dims: [ -1, 2 ] } output { name: "y" dims: [ -1, 2 ] }`,
		"rows":  `input { name: "x" dims: [ 2 ] } output { name: "y" dims: [ 2 ] }`,
		"none":  `name: "none"`,
	} {
		onnxtest.WriteAt(t, onnxtest.Identity(onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2)), filepath.Join(dir, model, "1", "model.onnx"))
		write(t, filepath.Join(dir, model, "config.pbtxt"), config)
	}
	n := startNode(t, dir)
	n.get("/v2/models/whole/config").want(t, 200, `"max_batch_size":0,`)
	n.get("/v2/models/whole/config").want(t, 200, `"dims":[-1,2]`)
	for _, model := range []string{"rows", "none"} {
		n.get("/v2/models/"+model+"/config").want(t, 200, `"max_batch_size":64,`)
		n.get("/v2/models/"+model+"/config").want(t, 200, `"dims":[2]`)
	}
}

// TestModelConfigLoadsAgain: what the node shows of a model's configuration is one that a load request may bring, and says
// the same.
func TestModelConfigLoadsAgain(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	onnxtest.WriteAt(t, halves(), filepath.Join(dir, "halves", "1", "model.onnx"))
	write(t, filepath.Join(dir, "halves", "config.toml"), `
max_batch_size = 16
max_queue_delay = "2ms"
preferred_batch_sizes = [4, 8]
queue_timeout = "3s"
priority_levels = 2
engine.optimization = "basic"
engine.cuda.memory_limit = "1GiB"
instances = { on = [{ device = "cpu", count = 3 }] }
inputs.x = { shape = [1], reshape = [] }
[[warm_up]]
name = "two rows"
rows = 2
inputs.x = { data = "random" }
`)
	n := startNode(t, dir)
	for _, model := range []string{"iris", "halves"} {
		shown := n.get("/v2/models/" + model + "/config").body
		body, err := json.Marshal(map[string]any{"parameters": map[string]any{"config": shown}})
		if err != nil {
			t.Fatal(err)
		}
		n.post("/v2/repository/models/"+model+"/load", string(body)).want(t, 200, "")
		if again := n.get("/v2/models/" + model + "/config").body; again != shown {
			t.Errorf("%s: loaded with\n%s\nit shows\n%s", model, shown, again)
		}
	}
}
