package oip

import (
	"encoding/binary"
	"math/big"
	"slices"
	"testing"
)

func TestElementCount(t *testing.T) {
	for _, c := range []struct {
		shape []int64
		want  int64
	}{
		{nil, 1},
		{[]int64{0}, 0},
		{[]int64{1, 3, 224, 224}, 150528},
		{[]int64{1, 1, 1, 1, 1, 1, 1, 7}, 7},
		{[]int64{1 << 62}, 1 << 62},
		{[]int64{1<<63 - 1, 1}, 1<<63 - 1},
		{[]int64{0, 1 << 62}, 0},
	} {
		if got, err := ElementCount(c.shape); err != nil || got != c.want {
			t.Errorf("ElementCount(%v) = %d %v, want %d", c.shape, got, err, c.want)
		}
	}
	for _, shape := range [][]int64{
		{-1}, {1, -5}, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1 << 62, 2}, {1 << 32, 1 << 32}, {0, 1 << 62, 4}, {3037000500, 3037000500},
	} {
		if got, err := ElementCount(shape); err == nil {
			t.Errorf("ElementCount(%v) = %d, want an error", shape, got)
		}
	}
}

func FuzzElementCount(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var shape []int64
		product, extent, legal := big.NewInt(1), big.NewInt(1), true
		for ; len(raw) >= 8; raw = raw[8:] {
			dim := int64(binary.LittleEndian.Uint64(raw))
			shape = append(shape, dim)
			product.Mul(product, big.NewInt(dim))
			extent.Mul(extent, big.NewInt(max(dim, 1)))
			legal = legal && dim >= 0
		}
		legal = legal && len(shape) <= MaxRank && extent.IsInt64()
		got, err := ElementCount(shape)
		if err == nil != legal || legal && got != product.Int64() {
			t.Fatalf("ElementCount(%v) = %d %v, want %s, legal %t", shape, got, err, product, legal)
		}
	})
}

func TestBytesElements(t *testing.T) {
	var data []byte
	want := []string{"", "a", "longer text", ""}
	for _, s := range want {
		data = AppendBytesElement(data, s)
	}
	var got []string
	for elem := range BytesElements(data) {
		got = append(got, string(elem))
	}
	if !slices.Equal(got, want) {
		t.Errorf("elements %q, want %q", got, want)
	}
	for elem := range BytesElements(data) {
		if cap(elem) != len(elem) {
			t.Error("an element can be appended into the next one")
		}
		break
	}
	for range BytesElements([]byte("\x05\x00\x00\x00abcd")) {
		t.Error("an element that runs past the end is yielded")
	}
}

func TestValidate(t *testing.T) {
	good := []Tensor{
		{Datatype: FP32, Shape: []int64{2}, Data: make([]byte, 8)},
		{Datatype: FP16, Shape: []int64{0, 5}},
		{Datatype: Bytes, Shape: []int64{2}, Data: []byte("\x01\x00\x00\x00a\x00\x00\x00\x00")},
		{Datatype: Bool, Shape: nil, Data: []byte{1}},
	}
	for _, tensor := range good {
		if err := tensor.Validate(); err != nil {
			t.Errorf("%+v: %v", tensor, err)
		}
	}
	for want, tensor := range map[string]Tensor{
		`tensor "t" holds 7 bytes, shape [2] of FP32 takes 2 elements of 4 bytes`:  {Datatype: FP32, Shape: []int64{2}, Data: make([]byte, 7)},
		`tensor "t" holds 12 bytes, shape [2] of FP32 takes 2 elements of 4 bytes`: {Datatype: FP32, Shape: []int64{2}, Data: make([]byte, 12)},
		`tensor "t": shape [-1] has the negative dimension -1 at index 0`:          {Datatype: FP32, Shape: []int64{-1}},
		`tensor "t" has no datatype`:                                                         {Shape: []int64{1}},
		`tensor "t" holds 1 BYTES elements, shape [2] takes 2`:                               {Datatype: Bytes, Shape: []int64{2}, Data: []byte("\x01\x00\x00\x00a")},
		`tensor "t": element 0 of its BYTES data runs past the end of the data (6 bytes)`:    {Datatype: Bytes, Shape: []int64{1}, Data: []byte("\x03\x00\x00\x00ab")},
		`tensor "t": element 1 of its BYTES data runs past the end of the data (7 bytes)`:    {Datatype: Bytes, Shape: []int64{1}, Data: []byte("\x00\x00\x00\x00abc")},
		`tensor "t": element 0 of its BYTES data runs past the end of the data (4 bytes)`:    {Datatype: Bytes, Shape: []int64{1}, Data: []byte("\xff\xff\xff\xff")},
		`tensor "t": element 1 is the byte 2, BOOL accepts 0 and 1`:                          {Datatype: Bool, Shape: []int64{2}, Data: []byte{1, 2}},
		`tensor "t": shape [9223372036854775807,2] has more elements than 64 bits can count`: {Datatype: FP32, Shape: []int64{1<<63 - 1, 2}},
		`tensor "t" holds 0 bytes, shape [4611686018427387904] of FP64 takes 4611686018427387904 elements of 8 bytes`: {
			Datatype: FP64, Shape: []int64{1 << 62},
		},
	} {
		tensor.Name = "t"
		if err := tensor.Validate(); err == nil || err.Error() != want {
			t.Errorf("%+v:\n%v, want\n%s", tensor, err, want)
		}
	}
}
