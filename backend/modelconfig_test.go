package backend_test

import (
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/onnxfile"
)

// mean averages x, float32 [batch,2], over the batch: a file that says of its output what is not so.
func mean() *onnxfile.Model {
	m := &onnxfile.Model{Name: "mean"}
	m.Input("x", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))
	m.Output("y", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))
	m.Node("Softmax", "x", "y", onnxfile.Int("axis", 0))
	return m
}

// centre takes the mean over the batch from x, float32 [batch,2]: what only rows that differ give away.
func centre() *onnxfile.Model {
	m := &onnxfile.Model{Name: "centre"}
	m.Input("x", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))
	m.Output("y", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(2))
	m.Node("ReduceMean", "x", "mean", onnxfile.Ints("axes", 0), onnxfile.Int("keepdims", 1))
	m.Node("Sub", "x mean", "y")
	return m
}

// TestBatchSizeIsFound: which models are batched without a word in a configuration, and why the others are not.
func TestBatchSizeIsFound(t *testing.T) {
	unnamed := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic(""), onnxfile.Fixed(2))
	two := onnxtest.Identity(onnxfile.Float, onnxfile.Dynamic("a"), onnxfile.Fixed(2))
	two.Outputs[0].Type.Dims = []onnxfile.Dim{onnxfile.Dynamic("b"), onnxfile.Fixed(2)}
	for name, c := range map[string]struct {
		model *onnxfile.Model
		size  string // of a batch
		why   string
	}{
		"named":      {onnxtest.Sum(), "64", ""},
		"unnamed":    {unnamed, "64", ""},
		"fixed":      {onnxtest.Fill(2), "0", `the first dimension of input \"size\" is always 2`},
		"two-names":  {two, "0", `the first dimension is \"a\" here and \"b\" there`},
		"square":     {onnxtest.Slow(1), "0", `another dimension of \"x\" is as long as the first, \"n\"`},
		"mixes-rows": {mean(), "0", `a run of two rows is not two runs of one: output \"y\" has other values`},
		"mixes-them": {centre(), "0", `a run of two rows is not two runs of one: output \"y\" has other values`},
		"scalar":     {onnxtest.Identity(onnxfile.Float), "0", `input \"x\" has no dimensions`},
	} {
		dir := t.TempDir()
		onnxtest.WriteAt(t, c.model, filepath.Join(dir, name, "1", "model.onnx"))
		n := startNode(t, dir)
		n.get("/v2/models/"+name+"/ready").want(t, 200, "")
		log := n.log.String()
		if !strings.Contains(log, "max_batch_size="+c.size+" ") {
			t.Errorf("%s: the log does not say that batches have %s rows:\n%s", name, c.size, log)
		}
		if told := strings.Contains(log, "requests are not batched"); told != (c.why != "") || !strings.Contains(log, c.why) {
			t.Errorf("%s: the log does not say %q:\n%s", name, c.why, log)
		}
		if err := n.stop(); err != nil {
			t.Error(err)
		}
		n.closeEngine()
	}
}

// TestConfigContradictsModel: each is one clear reason why the model is not served.
func TestConfigContradictsModel(t *testing.T) {
	const ragged = "[[ragged]]\n"
	cases := map[string]struct {
		model  *onnxfile.Model
		config string
		reason string
	}{
		"fixed":         {onnxtest.Fill(2), "max_batch_size = 4", `config.toml:1 sets max_batch_size = 4, but the first dimension of input "size" is always 2: want 0`},
		"negative":      {onnxtest.Sum(), "max_batch_size = -1", "max_batch_size: -1 is not between 0 and"},
		"delay":         {onnxtest.Sum(), `max_queue_delay = "2h"`, "max_queue_delay: 2h0m0s is not between 0s and 1m0s"},
		"preferred":     {onnxtest.Sum(), "max_batch_size = 4\nmax_queue_delay = \"1ms\"\npreferred_batch_sizes = [8]", "preferred size 8: must be between 1 and the max batch size 4"},
		"priority":      {onnxtest.Sum(), "priority_levels = 2\ndefault_priority = 3", "default_priority: 3 is not between 0 and 2"},
		"queue":         {onnxtest.Sum(), "max_queue_requests = 0", "max_queue_requests: 0 is not between 1 and"},
		"instances":     {onnxtest.Sum(), "[instances]\ncount = 1000", "instances.count: 1000 is not between 0 and 256"},
		"no-batch":      {onnxtest.Sum(), "max_batch_size = 0\n" + ragged + "inputs = { a = {} }", "declares ragged dimensions or preferred batch sizes, but the model's requests are not batched"},
		"ragged-name":   {onnxtest.Sum(), ragged + "inputs = { c = {} }", `there is no input "c", only ["a" "b"]`},
		"ragged-axis":   {onnxtest.Sum(), ragged + "inputs = { a = { axis = 2 } }", `input "a" of shape [-1 -1] has no axis 2 besides the batch`},
		"ragged-fixed":  {onnxtest.Identity(onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(4)), ragged + "inputs = { x = {} }", `axis 1 of input "x" is always 4`},
		"ragged-value":  {onnxtest.Identity(onnxfile.Uint8, onnxtest.Batch(), onnxfile.Dynamic("n")), ragged + "inputs = { x = { value = 256 } }", `input "x": UINT8 has no 256 to pad with`},
		"ragged-output": {onnxtest.Sum(), ragged + "inputs = { a = {} }\noutputs = { z = 1 }", `there is no output "z", only ["y"]`},
		"ragged-mask":   {onnxtest.Sum(), ragged + "inputs = { a = {} }\nmask = \"m\"", `there is no mask "m", only ["a" "b"]`},
		"ragged-none":   {onnxtest.Sum(), ragged, "a ragged dimension needs at least one input"},
		"ragged-waste":  {onnxtest.Sum(), ragged + "inputs = { a = {} }\nmax_waste = 1.0", "max_waste: 1 is not between 0 and 0.9"},
	}
	dir := t.TempDir()
	for name, c := range cases {
		onnxtest.WriteAt(t, c.model, filepath.Join(dir, name, "1", "model.onnx"))
		write(t, filepath.Join(dir, name, "config.toml"), c.config)
	}
	n := startNode(t, dir)
	for name, c := range cases {
		n.get("/v2/models/"+name+"/ready").want(t, 503, strings.ReplaceAll(c.reason, `"`, `\"`))
	}
}
