package oip

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	nan := float32(math.NaN())
	u16 := func(values ...uint16) (data []byte) {
		for _, v := range values {
			data = binary.LittleEndian.AppendUint16(data, v)
		}
		return data
	}
	u64 := func(values ...uint64) (data []byte) {
		for _, v := range values {
			data = binary.LittleEndian.AppendUint64(data, v)
		}
		return data
	}
	for _, c := range []struct {
		name    string
		tensor  Tensor
		count   int
		batched bool
		labels  []string
		shape   []int64
		want    string
	}{
		{
			"rows",
			Tensor{Datatype: FP32, Shape: []int64{2, 3}, Data: fp32Data([]float32{0.1, 0.7, 0.2, 3, 1, 2})},
			2, true,
			[]string{"setosa", "versicolor"},
			[]int64{2, 2},
			"0.700000:1:versicolor 0.200000:2 3.000000:0:setosa 2.000000:2",
		},
		{
			"one row",
			Tensor{Datatype: FP32, Shape: []int64{2, 2}, Data: fp32Data([]float32{0.1, 0.7, 0.2, 0.7})},
			3, false, nil,
			[]int64{3},
			"0.700000:1 0.700000:3 0.200000:2",
		},
		{"fewer classes", Tensor{Datatype: Int64, Shape: []int64{1, 1}, Data: []byte{255, 255, 255, 255, 255, 255, 255, 255}}, 5, true, nil, []int64{1, 1}, "-1:0"},
		{"not a number", Tensor{Datatype: FP32, Shape: []int64{3}, Data: fp32Data([]float32{nan, -5, nan})}, 2, false, nil, []int64{2}, "-5.000000:1 NaN:0"},
		{
			"close integers",
			Tensor{Datatype: Uint64, Shape: []int64{2}, Data: u64(math.MaxUint64-1, math.MaxUint64)},
			1, false, nil,
			[]int64{1},
			"18446744073709551615:1",
		},
		{"bytes", Tensor{Datatype: Uint8, Shape: []int64{3}, Data: []byte{1, 255, 2}}, 1, false, nil, []int64{1}, "255:1"},
		{"half", Tensor{Datatype: FP16, Shape: []int64{4}, Data: u16(0x3c00, 0x4100, 0x0001, 0xfc00)}, 4, false, nil, []int64{4}, "2.500000:1 1.000000:0 0.000000:2 -Inf:3"},
		{"brain", Tensor{Datatype: BF16, Shape: []int64{2}, Data: u16(0x3f80, 0x4000)}, 1, false, nil, []int64{1}, "2.000000:1"},
		{"no rows", Tensor{Datatype: FP32, Shape: []int64{0, 3}}, 2, true, nil, []int64{0, 0}, ""},
	} {
		tensor := c.tensor
		if err := Classify(&tensor, c.count, c.batched, c.labels); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var texts []string
		for elem := range BytesElements(tensor.Data) {
			texts = append(texts, string(elem))
		}
		if got := strings.Join(texts, " "); got != c.want || !slices.Equal(tensor.Shape, c.shape) || tensor.Validate() != nil {
			t.Errorf("%s: %q of shape %v, want %q of shape %v", c.name, got, tensor.Shape, c.want, c.shape)
		}
	}
}

func TestClassifyRefuses(t *testing.T) {
	for _, tensor := range []Tensor{
		{Name: "y", Datatype: Bytes, Shape: []int64{0}},
		{Name: "y", Datatype: Bool, Shape: []int64{1}, Data: []byte{1}},
		{Name: "y", Datatype: FP32, Shape: []int64{2}, Data: make([]byte, 4)},
	} {
		if err := Classify(&tensor, 1, false, nil); err == nil {
			t.Errorf("%v is classified", tensor)
		}
	}
}

func TestClassificationTravels(t *testing.T) {
	for body, want := range map[string]RequestedOutput{
		`{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3}}]}`:                                                              {"y", false, 3},
		`{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3,"binary_data":true}}]}`:                                           {"y", true, 3},
		`{"parameters":{"binary_data_output":true},"inputs":[],"outputs":[{"name":"y","parameters":{"classification":1,"binary_data":false}}]}`: {"y", false, 1},
	} {
		r := decode(t, body)
		if r.Outputs[0] != want {
			t.Errorf("%s reads as %+v, want %+v", body, r.Outputs[0], want)
		}
		if out, _, err := AppendInferRequest(nil, r); err != nil || string(out) != body {
			t.Errorf("written again: %s %v, want %s", out, err, body)
		}
	}
}
