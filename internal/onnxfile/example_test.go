package onnxfile_test

import (
	"bytes"
	"fmt"

	"ganglion/internal/onnxfile"
)

func ExampleModel() {
	m := onnxfile.Model{Name: "affine"}
	m.Input("x", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(2))
	m.Initializer(onnxfile.NewData("w", []float32{1, 2, 3, 4, 5, 6}, 2, 3))
	m.Initializer(onnxfile.NewData("b", []float32{0, 0, 1}, 3))
	m.Node("Gemm", "x w b", "y")
	m.Output("y", onnxfile.Float, onnxfile.Dynamic("batch"), onnxfile.Fixed(3))
	file, err := m.Bytes()
	if err != nil {
		fmt.Println(err)
		return
	}

	s, err := onnxfile.Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Inputs[0].Name, s.Inputs[0].Type)
	fmt.Println(s.Outputs[0].Name, s.Outputs[0].Type)
	fmt.Println(s.Ops, s.Parameters)
	// Output:
	// x float32[batch,2]
	// y float32[batch,3]
	// map[:map[Gemm:1]] 9
}
