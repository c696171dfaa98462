package backend_test

import (
	"path/filepath"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/onnxfile"
)

// constant is a model without inputs that says which version it is.
func constant(version int64) *onnxfile.Model {
	m := &onnxfile.Model{Name: "constant"}
	m.Output("version", onnxfile.Int64, onnxfile.Fixed(1))
	m.Node("Constant", "", "version", onnxfile.TensorAttr("value", onnxfile.NewData("v", []int64{version}, 1)))
	return m
}

// TestVersions: all versions are served, the highest ready one where none is named.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	at := func(version string) string { return filepath.Join(dir, "m", version, "model.onnx") }
	onnxtest.WriteAt(t, constant(2), at("2"))
	onnxtest.WriteAt(t, constant(9), at("9"))
	onnxtest.WriteAt(t, constant(10), at("10"))
	write(t, at("11"), "broken")
	write(t, filepath.Join(dir, "m", "config.toml"), "[versions]\nall = true\n")
	for _, ignored := range []string{"latest", "012", "0", "-1", "99999999999999999999"} {
		onnxtest.WriteAt(t, constant(0), at(ignored))
	}
	n := startNode(t, dir)
	const nothing = `{"inputs":[]}`
	n.post("/v2/models/m/infer", nothing).want(t, 200, `"model_version":"10","outputs":[{"name":"version","datatype":"INT64","shape":[1],"data":[10]}]`)
	n.post("/v2/models/m/versions/2/infer", nothing).want(t, 200, `"model_version":"2","outputs":[{"name":"version","datatype":"INT64","shape":[1],"data":[2]}]`)
	n.post("/v2/models/m/versions/11/infer", nothing).want(t, 503, `model \"m\" version 11 is not ready: model.onnx: `)
	n.post("/v2/models/m/versions/3/infer", nothing).want(t, 404, "Request for unknown model: 'm' version 3 is not found")
	n.get("/v2/models/m").want(t, 200, `"versions":["2","9","10"]`)
	n.get("/v2/models/m/versions/9/ready").want(t, 200, `{"name":"m","ready":true}`)
	n.get("/v2/models/m/versions/11/ready").want(t, 503, "not ready")
	n.post("/v2/repository/index", `{"ready":true}`).want(t, 200,
		`[{"name":"m","version":"10","state":"READY"},{"name":"m","version":"9","state":"READY"},{"name":"m","version":"2","state":"READY"}]`)
	n.get("/metrics").want(t, 200, `ganglion_node_model_ready{model="m",version="11"} 0`)
}
