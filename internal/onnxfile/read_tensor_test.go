package onnxfile

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// proto is a TensorProto made by hand.
func proto(fill func(m *message)) []byte {
	m := new(message)
	fill(m)
	return append(bytes.Join(m.chunks, nil), m.tail...)
}

func TestTensorValuesComeFromEveryField(t *testing.T) {
	packed := func(field int, content ...byte) func(m *message) {
		return func(m *message) { m.bytes(field, content) }
	}
	for name, c := range map[string]struct {
		elem   ElementType
		values func(m *message)
		raw    []byte
	}{
		"raw":            {Int16, packed(9, 1, 0, 2, 0), []byte{1, 0, 2, 0}},
		"floats":         {Float, packed(4, 0, 0, 128, 63, 0, 0, 0, 64), []byte{0, 0, 128, 63, 0, 0, 0, 64}},
		"doubles":        {Double, packed(10, 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 0), []byte{0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 0}},
		"int32":          {Int8, packed(5, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), []byte{5, 0xff}},
		"half as int32":  {Float16, packed(5, 0x80, 0x78, 0x00), []byte{0, 0x3c, 0, 0}},
		"bool as int32":  {Bool, packed(5, 1, 0), []byte{1, 0}},
		"int64":          {Int64, packed(7, 1, 2), []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}},
		"uint32":         {Uint32, packed(11, 1, 2), []byte{1, 0, 0, 0, 2, 0, 0, 0}},
		"one at a time":  {Int32, func(m *message) { m.int(5, 1); m.int(5, 2) }, []byte{1, 0, 0, 0, 2, 0, 0, 0}},
		"values at head": {Int32, packed(5, 1, 2), []byte{1, 0, 0, 0, 2, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			b := proto(func(m *message) {
				if name == "values at head" {
					c.values(m)
				}
				m.int(1, 2)
				m.int(2, int64(c.elem))
				m.text(8, "x")
				if name != "values at head" {
					c.values(m)
				}
			})
			d, err := ReadTensor(b)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Data{Name: "x", Elem: c.elem, Dims: []int64{2}, Raw: c.raw}); !reflect.DeepEqual(d, want) {
				t.Errorf("got  %+v\nwant %+v", d, want)
			}
		})
	}
}

func TestStringsAndScalars(t *testing.T) {
	d, err := ReadTensor(proto(func(m *message) { m.int(1, 2); m.int(2, int64(String)); m.text(6, "a\xff"); m.text(6, "") }))
	if err != nil || !reflect.DeepEqual(d.Strings, []string{"a\xff", ""}) {
		t.Errorf("got %+v, %v", d, err)
	}
	d, err = ReadTensor(proto(func(m *message) { m.int(2, int64(Int8)); m.int(5, 7) }))
	if err != nil || len(d.Dims) != 0 || !bytes.Equal(d.Raw, []byte{7}) {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestTensorsThatAreRefused(t *testing.T) {
	for want, b := range map[string][]byte{
		"its shape [3] of int8 needs 3":     proto(func(m *message) { m.int(1, 3); m.int(2, int64(Int8)); m.bytes(9, []byte{1}) }),
		"more than 9223372036854775807":     proto(func(m *message) { m.int(1, 1<<40); m.int(1, 1<<40); m.int(2, int64(Int8)) }),
		"a dimension of -1":                 proto(func(m *message) { m.int(1, -1); m.int(2, int64(Int8)) }),
		"keeps its values in another file":  proto(func(m *message) { m.int(1, 1); m.int(2, int64(Int8)); m.bytes(13, nil) }),
		"element type type99":               proto(func(m *message) { m.int(1, 1); m.int(2, 99); m.int(5, 1) }),
		"raw data and numbers":              proto(func(m *message) { m.int(1, 1); m.int(2, int64(Int8)); m.int(5, 1); m.bytes(9, []byte{1}) }),
		"has strings, but element type int": proto(func(m *message) { m.int(1, 1); m.int(2, int64(Int8)); m.text(6, "a") }),
		"cut short":                         {9<<3 | wireBytes, 100, 1},
	} {
		if _, err := ReadTensor(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}

func FuzzReadTensor(f *testing.F) {
	f.Add(proto(func(m *message) { m.int(1, 2); m.int(2, int64(Float)); m.bytes(4, make([]byte, 8)) }))
	f.Add(proto(func(m *message) { m.int(1, 2); m.int(2, int64(String)); m.text(6, "a"); m.text(6, "b") }))
	f.Add(proto(func(m *message) { m.int(2, int64(Int64)); m.bytes(7, []byte{1}) }))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ReadTensor(b)
		if err != nil {
			return
		}
		if len(d.Raw) > 8*len(b) {
			t.Errorf("%d bytes of %d", len(d.Raw), len(b))
		}
		if err := d.check(); err != nil {
			t.Error(err)
		}
	})
}
