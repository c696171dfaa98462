package backend_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/onnxfile"
)

// halves is float32 [batch] in, and out both itself and its half, float32 [batch].
func halves() *onnxfile.Model {
	m := &onnxfile.Model{Name: "halves"}
	m.Input("x", onnxfile.Float, onnxtest.Batch())
	m.Output("same", onnxfile.Float, onnxtest.Batch())
	m.Output("half", onnxfile.Float, onnxtest.Batch())
	m.Initializer(onnxfile.NewData("two", []float32{2}))
	m.Node("Identity", "x", "same")
	m.Node("Div", "x two", "half")
	return m
}

// TestTritonRepository: a repository as Triton has it is served unchanged, and looks as it would there.
func TestTritonRepository(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, halves(), filepath.Join(dir, "halves", "1", "net.onnx"))
	onnxtest.WriteAt(t, halves(), filepath.Join(dir, "halves", "2", "net.onnx"))
	write(t, filepath.Join(dir, "halves", "config.pbtxt"), `
name: "halves"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "x", data_type: TYPE_FP32, dims: [ 1 ], reshape: { shape: [ ] } } ]
output [ { name: "half", data_type: TYPE_FP32, dims: [ 1, 1 ], reshape: { shape: [ ] }, label_filename: "labels.txt" } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
dynamic_batching { max_queue_delay_microseconds: 100 default_queue_policy { default_timeout_microseconds: 5000000 } }
default_model_filename: "net.onnx"
model_warmup [ { name: "raw" batch_size: 2 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 1 ] input_data_file: "two" } } } ]
`)
	write(t, filepath.Join(dir, "halves", "labels.txt"), "none\none\n")
	write(t, filepath.Join(dir, "halves", "warmup", "two"), "12345678")
	// A model without a configuration, and one in a folder by the name of its file, with weights beside it.
	copyModel(t, "iris", dir)
	onnxtest.WriteAt(t, onnxtest.Sum(), filepath.Join(dir, "folder", "1", "model.onnx", "model.onnx"))

	n := startNode(t, dir)
	n.get("/v2/models/halves").want(t, 200, `"versions":["2"]`)
	n.get("/v2/models/halves").want(t, 200, `"inputs":[{"name":"x","datatype":"FP32","shape":[-1,1]}]`)
	n.get("/v2/models/halves").want(t, 200, `"outputs":[{"name":"half","datatype":"FP32","shape":[-1,1,1]}]`)
	n.get("/v2/models/halves/versions/1/ready").want(t, 404, "")
	n.get("/v2/models/folder/ready").want(t, 200, "")
	n.get("/v2/models/iris/ready").want(t, 200, "")

	answer := n.post("/v2/models/halves/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[3,1],"data":[1,2,5]}]}`)
	outputs := answer.outputs(t)
	half := outputs["half"]
	if len(outputs) != 1 || len(half.Shape) != 3 || half.Shape[0] != 3 || half.Shape[2] != 1 || half.Data[2] != 2.5 {
		t.Errorf("got %v", outputs)
	}
	n.post("/v2/models/halves/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[3]}],"outputs":[{"name":"half","parameters":{"classification":1}}]}`).
		want(t, 200, `:0:none"`)
	n.post("/v2/models/halves/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1,2,5]}]}`).want(t, 400, "shape")
	n.post("/v2/models/halves/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}],"outputs":[{"name":"same"}]}`).want(t, 400, "same")
	n.post("/v2/models/halves/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[9,1],"data":[1,2,3,4,5,6,7,8,9]}]}`).want(t, 400, "8")
}

// TestFixedBatchReshaped: the model of Triton's quick start, which has a batch of 1 in its shape that clients do not see.
func TestFixedBatchReshaped(t *testing.T) {
	m := &onnxfile.Model{Name: "net"}
	dims := []onnxfile.Dim{onnxfile.Fixed(1), onnxfile.Fixed(3), onnxfile.Fixed(1), onnxfile.Fixed(1)}
	m.Input("data_0", onnxfile.Float, dims...)
	m.Output("fc6_1", onnxfile.Float, dims...)
	m.Node("Identity", "data_0", "fc6_1")
	dir := t.TempDir()
	onnxtest.WriteAt(t, m, filepath.Join(dir, "densenet_onnx", "1", "model.onnx"))
	write(t, filepath.Join(dir, "densenet_onnx", "labels.txt"), "cat\ndog\nowl\n")
	write(t, filepath.Join(dir, "densenet_onnx", "config.pbtxt"), `
name: "densenet_onnx"
platform: "onnxruntime_onnx"
max_batch_size : 0
input [
  {
    name: "data_0"
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ 3, 1, 1 ]
    reshape { shape: [ 1, 3, 1, 1 ] }
  }
]
output [
  {
    name: "fc6_1"
    data_type: TYPE_FP32
    dims: [ 3 ]
    reshape { shape: [ 1, 3, 1, 1 ] }
    label_filename: "labels.txt"
  }
]`)
	n := startNode(t, dir)
	const input = `"inputs":[{"name":"data_0","datatype":"FP32","shape":[3,1,1],"data":[1,3,2]}]`
	y := n.post("/v2/models/densenet_onnx/infer", `{`+input+`}`).outputs(t)["fc6_1"]
	if len(y.Shape) != 1 || y.Shape[0] != 3 || y.Data[1] != 3.0 {
		t.Errorf("got %v", y)
	}
	n.post("/v2/models/densenet_onnx/infer", `{`+input+`,"outputs":[{"name":"fc6_1","parameters":{"classification":2}}]}`).
		want(t, 200, `["3.000000:1:dog","2.000000:2:owl"]`)
}

// TestReshapeOfWhatTheModelFixes: a size that the configuration leaves open, and the model does not, is fixed for clients too.
func TestReshapeOfWhatTheModelFixes(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Identity(onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(4), onnxfile.Dynamic("n")), filepath.Join(dir, "m", "1", "model.onnx"))
	write(t, filepath.Join(dir, "m", "config.pbtxt"), `max_batch_size: 8
		input { name: "x" dims: [ -1, 1, -1 ] reshape { shape: [ -1, -1 ] } } output { name: "y" dims: [ 1, -1, -1 ] reshape { shape: [ -1, -1 ] } }`)
	n := startNode(t, dir)
	n.get("/v2/models/m").want(t, 200, `"inputs":[{"name":"x","datatype":"FP32","shape":[-1,4,1,-1]}]`)
	n.get("/v2/models/m").want(t, 200, `"outputs":[{"name":"y","datatype":"FP32","shape":[-1,1,4,-1]}]`)
	const path = "/v2/models/m/infer"
	y := n.post(path, `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4,1,2],"data":[1,2,3,4,5,6,7,8]}]}`).outputs(t)["y"]
	if !slices.Equal(y.Shape, []int64{1, 1, 4, 2}) || y.Data[7] != 8.0 {
		t.Errorf("got %v", y)
	}
	n.post(path, `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3,1,2],"data":[1,2,3,4,5,6]}]}`).want(t, 400, "shape")
}

// TestOptionalInput: an input that has a default in the model is left at it.
func TestOptionalInput(t *testing.T) {
	m := &onnxfile.Model{Name: "scaled"}
	m.Input("x", onnxfile.Float, onnxtest.Batch())
	m.Input("scale", onnxfile.Float)
	m.Output("y", onnxfile.Float, onnxtest.Batch())
	m.Initializer(onnxfile.NewData("scale", []float32{10}))
	m.Node("Mul", "x scale", "y")
	dir := t.TempDir()
	onnxtest.WriteAt(t, m, filepath.Join(dir, "scaled", "1", "model.onnx"))
	write(t, filepath.Join(dir, "scaled", "config.pbtxt"), `max_batch_size: 4
		input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape { } }, { name: "scale" data_type: TYPE_FP32 dims: [ 1 ] reshape { } optional: true } ]`)
	n := startNode(t, dir)
	y := n.post("/v2/models/scaled/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"data":[1,2]}]}`).outputs(t)["y"]
	if len(y.Data) != 2 || y.Data[1] != 20.0 {
		t.Errorf("got %v", y)
	}
	n.post("/v2/models/scaled/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]},{"name":"scale","datatype":"FP32","shape":[1,1],"data":[1]}]}`).
		want(t, 400, "scale")
}

// TestWarmUpFails: a version whose warm-up request it refuses does not serve.
func TestWarmUpFails(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Sum(), filepath.Join(dir, "sum", "1", "model.onnx"))
	write(t, filepath.Join(dir, "sum", "config.toml"), "[[warm_up]]\nname = \"unequal\"\ninputs = { a = { shape = [2] }, b = { shape = [3] } }")
	n := startNode(t, dir)
	n.get("/v2/models/sum/ready").want(t, 503, `config.toml:1: warm-up \"unequal\": `)
}

// TestConfigTOMLWins: of two configurations one is read, and the other named.
func TestConfigTOMLWins(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Sum(), filepath.Join(dir, "sum", "1", "model.onnx"))
	write(t, filepath.Join(dir, "sum", "config.toml"), "max_batch_size = 7")
	write(t, filepath.Join(dir, "sum", "config.pbtxt"), "nonsense: 3")
	n := startNode(t, dir)
	n.get("/v2/models/sum/ready").want(t, 200, "")
	if log := n.log.String(); !strings.Contains(log, "max_batch_size=7") || !strings.Contains(log, `a model has two configurations" model=sum read=config.toml not_read=config.pbtxt`) {
		t.Errorf("the log does not say which file was read:\n%s", log)
	}
}

// TestPBTXTContradictsModel: each names both sides.
func TestPBTXTContradictsModel(t *testing.T) {
	fixed := onnxtest.Identity(onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(4))
	rows := onnxtest.Identity(onnxfile.Float, onnxtest.Batch())
	cases := map[string]struct {
		model  *onnxfile.Model
		config string
		reason string
	}{
		"datatype":  {fixed, "input { name: 'x' data_type: TYPE_FP16 dims: [ 4 ] }", `config.pbtxt:1 gives input "x" the datatype FP16, but the model's is FP32`},
		"shape":     {fixed, "max_batch_size: 4\ninput { name: 'x' data_type: TYPE_FP32 dims: [ 5 ] }", `config.pbtxt:2 gives input "x" the shape [5], but the model's is [-1 4]`},
		"rank":      {fixed, "input { name: 'x' dims: [ 4, 4, 4 ] }", `config.pbtxt:1 gives input "x" the shape [4 4 4], but the model's is [-1 4]`},
		"whole":     {fixed, "max_batch_size: 4\ninput { name: 'x' dims: [ -1, 4 ] }", `gives input "x" all dimensions of the model's shape [-1 4], but max_batch_size = 4 means that the first is left out`},
		"rows":      {rows, "max_batch_size: 4\ninput { name: 'x' dims: [ 1 ] }", `but max_batch_size = 4 means that the first is left out; where nothing is left then, the shape is [1], with a reshape to []`},
		"unbatched": {fixed, "max_batch_size: 0\ninput { name: 'x' dims: [ 4 ] }", `max_batch_size = 0 means that no dimension is left out`},
		"mixed":     {fixed, "input { name: 'x' dims: [ 4 ] }\noutput { name: 'y' dims: [ -1, 4 ] }", `some shapes leave out a batch, and others do not`},
		"name":      {fixed, "input { name: 'z' dims: [ 4 ] }", `config.pbtxt:1 configures an input "z", but the model's inputs are ["x"]`},
		"missing":   {onnxtest.Sum(), "input { name: 'a' dims: [ -1 ] }", `config.pbtxt:1 lists the inputs, but not "b", which the model has`},
		"output":    {fixed, "output { name: 'z' dims: [ 4 ] }", `config.pbtxt:1 configures an output "z", but the model's outputs are ["y"]`},
		"optional":  {fixed, "input { name: 'x' dims: [ 4 ] optional: true }", `config.pbtxt:1 says that input "x" is optional, but the model has no default for it`},
		"labels":    {fixed, "output { name: 'y' dims: [ 4 ] label_filename: 'none.txt' }", `config.pbtxt:1: labels/none.txt is missing`},
		"no-batch":  {onnxtest.Fill(2), "max_batch_size: 4", `config.pbtxt:1 sets max_batch_size = 4, but the first dimension of input "size" is always 2`},
		"warm-up":   {fixed, "model_warmup { name: 'w' inputs { key: 'z' value { } } }", `config.pbtxt:1: warm-up "w": there is no input "z", only ["x"]`},
		"warm-size": {fixed, "model_warmup { name: 'w' inputs { key: 'x' value { dims: [ 3 ] } } }", `gives input "x" the shape [3], but the model's is [-1 4]`},
		"refused":   {fixed, "\nsequence_batching { }", `refused/config.pbtxt:2: sequence_batching: requests that belong together`},
		"syntax":    {fixed, "input {", `syntax/config.pbtxt:1: the file ends inside the message that line 1 opens`},
		"no-gpu":    {fixed, "instance_group { kind: KIND_GPU gpus: [ 7 ] }", `cuda:7`},
	}
	dir := t.TempDir()
	for name, c := range cases {
		onnxtest.WriteAt(t, c.model, filepath.Join(dir, name, "1", "model.onnx"))
		write(t, filepath.Join(dir, name, "config.pbtxt"), c.config)
	}
	n := startNode(t, dir)
	for name, c := range cases {
		n.get("/v2/models/"+name+"/ready").want(t, 503, strings.ReplaceAll(c.reason, `"`, `\"`))
	}
}
