package onnxfile

import (
	"bytes"
	"testing"
)

func FuzzRead(f *testing.F) {
	f.Add(encode(f, everything()))
	f.Add(encode(f, &Model{Name: "m"}))
	f.Add([]byte{7<<3 | wireBytes, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := Read(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		if s.Parameters < 0 {
			t.Errorf("parameters are %d", s.Parameters)
		}
		for _, v := range append(s.Inputs, s.Outputs...) {
			_ = v.Type.String()
			for _, d := range v.Type.Dims {
				if d.Size < -1 || (d.Size >= 0 && d.Name != "") {
					t.Errorf("%q has dimension %+v", v.Name, d)
				}
			}
		}
	})
}

// FuzzDataRoundTrip checks that what the writer accepts, the reader counts.
func FuzzDataRoundTrip(f *testing.F) {
	f.Add("w", int32(Float), int64(2), int64(3), make([]byte, 24))
	f.Add("", int32(Uint4), int64(3), int64(1), make([]byte, 2))
	f.Add("x", int32(Complex128), int64(1)<<60, int64(1)<<60, []byte{})
	f.Fuzz(func(t *testing.T, name string, elem int32, a, b int64, raw []byte) {
		m := &Model{Name: name, Initializers: []Data{{Name: name, Elem: ElementType(elem), Dims: []int64{a, b}, Raw: raw}}}
		file, err := m.Bytes()
		if err != nil {
			return
		}
		s, err := Read(bytes.NewReader(file), int64(len(file)))
		if len(name) > maxName {
			return
		}
		if err != nil {
			t.Fatalf("the writer's own file is refused: %v", err)
		}
		if s.Parameters != a*b || s.Graph != name {
			t.Errorf("parameters are %d of %q, want %d of %q", s.Parameters, s.Graph, a*b, name)
		}
	})
}
