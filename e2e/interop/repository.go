package main

import (
	"os"
	"path/filepath"

	"ganglion/internal/onnxfile"
)

// elements are the datatypes of the protocol that ONNX has, which is all of them.
var elements = map[string]onnxfile.ElementType{
	"BOOL": onnxfile.Bool, "UINT8": onnxfile.Uint8, "UINT16": onnxfile.Uint16, "UINT32": onnxfile.Uint32, "UINT64": onnxfile.Uint64,
	"INT8": onnxfile.Int8, "INT16": onnxfile.Int16, "INT32": onnxfile.Int32, "INT64": onnxfile.Int64,
	"FP16": onnxfile.Float16, "BF16": onnxfile.BFloat16, "FP32": onnxfile.Float, "FP64": onnxfile.Double, "BYTES": onnxfile.String,
}

// writeRepository makes a model repository in dir: one model for each datatype that answers what it is asked, and two more
// for tests that unload them.
func writeRepository(dir string) error {
	for datatype, element := range elements {
		if err := writeIdentity(dir, "identity_"+datatype, element); err != nil {
			return err
		}
	}
	for _, name := range []string{"switched", "switched_too"} {
		if err := writeIdentity(dir, name, onnxfile.Float); err != nil {
			return err
		}
	}
	// A request that is nothing but the bytes of a tensor needs a model with one dimension that may vary.
	m := onnxfile.Model{Name: "raw", Producer: "ganglion"}
	m.Input("IN", onnxfile.Float, onnxfile.Dynamic("n"))
	m.Node("Identity", "IN", "OUT")
	m.Output("OUT", onnxfile.Float, onnxfile.Dynamic("n"))
	return write(dir, &m)
}

func writeIdentity(dir, name string, element onnxfile.ElementType) error {
	m := onnxfile.Model{Name: name, Producer: "ganglion"}
	m.Input("IN", element, onnxfile.Dynamic("batch"), onnxfile.Dynamic("n"))
	m.Node("Identity", "IN", "OUT")
	m.Output("OUT", element, onnxfile.Dynamic("batch"), onnxfile.Dynamic("n"))
	return write(dir, &m)
}

func write(dir string, m *onnxfile.Model) error {
	version := filepath.Join(dir, m.Name, "1")
	if err := os.MkdirAll(version, 0o755); err != nil {
		return err
	}
	return m.WriteFile(filepath.Join(version, "model.onnx"))
}
