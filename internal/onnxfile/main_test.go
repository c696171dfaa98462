package onnxfile

import (
	"bytes"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// encode is the file of m.
func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := m.Bytes()
	if err != nil {
		t.Fatalf("cannot encode model %q: %v", m.Name, err)
	}
	return b
}

// read sums up a file that must be sound.
func read(t testing.TB, file []byte) *Summary {
	t.Helper()
	s, err := Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatalf("cannot read %d bytes: %v", len(file), err)
	}
	return s
}

// everything is a model that uses each part of the writer.
func everything() *Model {
	half := Data{Name: "half", Elem: Float16, Dims: []int64{3}, Raw: make([]byte, 6)}
	nibbles := Data{Name: "nibbles", Elem: Uint4, Dims: []int64{3}, Raw: make([]byte, 2)}
	outside := Data{
		Name: "outside", Elem: Float, Dims: []int64{1 << 30},
		External: []Property{{"location", "weights.bin"}, {"offset", "0"}},
	}
	m := &Model{
		Name: "everything", Doc: "a bit of each", Producer: "test", Version: 7, IRVersion: 9,
		Opsets:   []Opset{{"", 17}, {"ai.onnx.ml", 3}},
		Metadata: []Property{{"classes", "a,b"}, {"empty", ""}},
	}
	m.Input("x", Float, Dynamic("batch"), Fixed(4), Dynamic(""))
	m.Input("scalar", Int64)
	m.Inputs = append(m.Inputs,
		Value{"any", Type{Kind: Tensor, Elem: BFloat16, Unranked: true}},
		Value{"list", Type{Kind: Sequence, Of: &Type{Kind: Map, Elem: Int64, Of: &Type{Kind: Tensor, Elem: Float, Dims: []Dim{}}}}},
		Value{"perhaps", Type{Kind: Optional, Of: &Type{Kind: Tensor, Elem: String, Dims: []Dim{Fixed(2)}}}},
		Value{"sparse", Type{Kind: SparseTensor, Elem: Double, Dims: []Dim{Fixed(9)}}},
	)
	m.Output("y", String, Dynamic("batch"))
	for _, d := range []Data{
		half, nibbles, outside,
		NewData("f64", []float64{1, 2}, 2),
		NewData("flags", []bool{true, false, true, true}, 2, 2),
		NewData("one", []int32{1}),
		NewData("none", []int16{}, 0, 5),
		NewStrings("names", []string{"a", ""}, 2),
		NewData("long", make([]uint8, 2*aliasFrom), 2*aliasFrom),
	} {
		m.Initializer(d)
	}
	m.Node("Identity", "x", "copy")
	m.Nodes = append(m.Nodes, Node{
		Op: "Odd", Domain: "com.example", Name: "a name", Inputs: []string{"copy", "", "one"}, Outputs: []string{"y"},
		Attrs: []Attr{
			Int("i", -1), Float32("f", 0.5), Str("s", "x"), Ints("is", 1, 2), Floats("fs", 1, 2), Strs("ss", "a", "b"),
			TensorAttr("t", NewData("", []uint64{1, 2, 3}, 3)),
		},
	})
	return m
}
