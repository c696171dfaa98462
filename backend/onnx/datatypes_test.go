package onnx

import (
	"fmt"
	"testing"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// everyDatatype has one element type for each datatype of the protocol, with six elements.
var everyDatatype = []struct {
	elem   onnxfile.ElementType
	sample oip.Tensor
}{
	{onnxfile.Bool, tensor("x", oip.Bool, nil, true, false, true, true, false, false)},
	{onnxfile.Uint8, tensor("x", oip.Uint8, nil, []uint8{0, 1, 2, 127, 128, 255}...)},
	{onnxfile.Uint16, tensor("x", oip.Uint16, nil, []uint16{0, 1, 2, 3, 4, 65535}...)},
	{onnxfile.Uint32, tensor("x", oip.Uint32, nil, []uint32{0, 1, 2, 3, 4, 1<<32 - 1}...)},
	{onnxfile.Uint64, tensor("x", oip.Uint64, nil, []uint64{0, 1, 2, 3, 4, 1<<64 - 1}...)},
	{onnxfile.Int8, tensor("x", oip.Int8, nil, []int8{-128, -1, 0, 1, 2, 127}...)},
	{onnxfile.Int16, tensor("x", oip.Int16, nil, []int16{-32768, -1, 0, 1, 2, 32767}...)},
	{onnxfile.Int32, tensor("x", oip.Int32, nil, []int32{-1 << 31, -1, 0, 1, 2, 1<<31 - 1}...)},
	{onnxfile.Int64, tensor("x", oip.Int64, nil, []int64{-1 << 63, -1, 0, 1, 2, 1<<63 - 1}...)},
	{onnxfile.Float16, tensor("x", oip.FP16, nil, []uint16{0x0000, 0x3c00, 0xbc00, 0x7bff, 0x7c00, 0x0001}...)},
	{onnxfile.BFloat16, tensor("x", oip.BF16, nil, []uint16{0x0000, 0x3f80, 0xbf80, 0x7f7f, 0x7f80, 0x0001}...)},
	{onnxfile.Float, tensor("x", oip.FP32, nil, []float32{0, 1, -1, 0.5, 1e38, -1e-38}...)},
	{onnxfile.Double, tensor("x", oip.FP64, nil, []float64{0, 1, -1, 0.5, 1e300, -1e-300}...)},
	{onnxfile.String, texts("x", nil, "", "a", "NUL \x00 inside", "grün", "\xff\xfe not UTF-8", "plain")},
}

// TestEveryDatatype sends every datatype through a model that gives back what it gets: with outputs that we give memory
// to, and with outputs that the runtime allocates because their axes have names that no input has.
func TestEveryDatatype(t *testing.T) {
	e := start(t, Config{})
	ways := map[string]onnxfile.Dim{"shape known": onnxfile.Dynamic("rows"), "shape unknown": onnxfile.Dynamic("somewhere")}
	for _, c := range everyDatatype {
		for way, out := range ways {
			t.Run(fmt.Sprintf("%s/%s", c.elem, way), func(t *testing.T) {
				def := onnxtest.Identity(c.elem, onnxfile.Dynamic("rows"), onnxfile.Fixed(3))
				def.Outputs[0].Type.Dims = []onnxfile.Dim{out, onnxfile.Fixed(3)}
				m := load(t, e, onnxtest.Write(t, def), testLimit)
				in := c.sample
				in.Shape = []int64{2, 3}
				got := infer(t, m, in)
				wantSame(t, got[0], in)
			})
		}
	}
}

// TestScalars: rank 0 in and out, which the binding has no values for.
func TestScalars(t *testing.T) {
	e := start(t, Config{})
	for _, c := range everyDatatype {
		t.Run(c.elem.String(), func(t *testing.T) {
			m := load(t, e, onnxtest.Write(t, onnxtest.Identity(c.elem)), testLimit)
			in := c.sample
			in.Shape = []int64{}
			if size := in.Datatype.Size(); size > 0 {
				in.Data = in.Data[size : 2*size]
			} else {
				in = texts("x", in.Shape, "one \x00 string")
			}
			got := infer(t, m, in)
			wantSame(t, got[0], in)
		})
	}
}

// TestNoElements: tensors with a dimension of 0 are legal.
func TestNoElements(t *testing.T) {
	e := start(t, Config{})
	for _, c := range everyDatatype {
		t.Run(c.elem.String(), func(t *testing.T) {
			m := load(t, e, onnxtest.Write(t, onnxtest.Identity(c.elem, onnxtest.Batch(), onnxfile.Fixed(3))), testLimit)
			in := oip.Tensor{Name: "x", Datatype: c.sample.Datatype, Shape: []int64{0, 3}}
			got := infer(t, m, in)
			wantSame(t, got[0], in)
		})
	}
}

// TestAnyAlignment: a binary tensor may begin anywhere in a request body.
func TestAnyAlignment(t *testing.T) {
	e := start(t, Config{})
	for _, c := range everyDatatype {
		m := load(t, e, onnxtest.Write(t, onnxtest.Identity(c.elem, onnxtest.Batch())), testLimit)
		for offset := range 9 {
			body := append(make([]byte, offset), c.sample.Data...)
			in := c.sample
			in.Shape, in.Data = []int64{6}, body[offset:]
			got := infer(t, m, in)
			wantSame(t, got[0], in)
		}
	}
}

// TestEmptyStringsOnly: a string tensor of which no element has a byte.
func TestEmptyStringsOnly(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Identity(onnxfile.String, onnxtest.Batch())), testLimit)
	in := texts("x", []int64{3}, "", "", "")
	got := infer(t, m, in)
	wantSame(t, got[0], in)
}

// TestHalfOutputsOfUnknownShape: the binding fails on FP16 and BF16 outputs that the runtime allocates.
func TestHalfOutputsOfUnknownShape(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.NonZero(onnxfile.Float16)), testLimit)
	got := infer(t, m, tensor("x", oip.FP32, []int64{4}, []float32{0, 7, 0, 7}...))
	wantSame(t, got[0], tensor("y", oip.FP16, []int64{1, 2}, []uint16{0x3c00, 0x4200}...)) // 1 and 3
}

// TestModelWithoutInputs: a model may be a constant.
func TestModelWithoutInputs(t *testing.T) {
	e := start(t, Config{})
	def := &onnxfile.Model{Name: "constant"}
	def.Output("y", onnxfile.Int64, onnxfile.Fixed(2))
	def.Node("Constant", "", "y", onnxfile.TensorAttr("value", onnxfile.NewData("v", []int64{4, 2}, 2)))
	m := load(t, e, onnxtest.Write(t, def), testLimit)
	got := infer(t, m)
	wantSame(t, got[0], tensor("y", oip.Int64, []int64{2}, []int64{4, 2}...))
}

// TestSomeOutputs: only the outputs asked for come back, in the order asked for.
func TestSomeOutputs(t *testing.T) {
	e := start(t, Config{})
	def := onnxtest.Identity(onnxfile.Float, onnxtest.Batch())
	def.Output("negative", onnxfile.Float, onnxtest.Batch())
	def.Node("Neg", "x", "negative")
	m := load(t, e, onnxtest.Write(t, def), testLimit)
	in := []oip.Tensor{tensor("x", oip.FP32, []int64{1}, float32(3))}
	for _, names := range [][]string{{"negative"}, {"negative", "y"}, {"y"}, nil} {
		got, err := m.Run(t.Context(), in, names)
		if err != nil {
			t.Fatal(err)
		}
		want := names
		if names == nil {
			want = []string{"y", "negative"}
		}
		for i := range want {
			if len(got) != len(want) || got[i].Name != want[i] {
				t.Fatalf("asked for %v, got %v", names, got)
			}
		}
	}
}

// TestBoolIsZeroOrOne: any other byte would be undefined behaviour in the runtime.
func TestBoolIsZeroOrOne(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Identity(onnxfile.Bool, onnxtest.Batch())), testLimit)
	_, err := m.Run(t.Context(), []oip.Tensor{{Name: "x", Datatype: oip.Bool, Shape: []int64{2}, Data: []byte{1, 2}}}, nil)
	wantClientError(t, err, "element 1 is the byte 2")
}
