package oip

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// randomTensor returns a tensor whose elements take all the values of their datatype that JSON can carry.
func randomTensor(d Datatype, name string) Tensor {
	t := Tensor{Name: name, Datatype: d}
	count := int64(1)
	for range rand.IntN(4) {
		dim := rand.Int64N(5)
		t.Shape = append(t.Shape, dim)
		count *= dim
	}
	for range count {
		t.Data = appendRandomElement(t.Data, d)
	}
	return t
}

func appendRandomElement(data []byte, d Datatype) []byte {
	bits := rand.Uint64()
	switch d {
	case Bool:
		return append(data, byte(bits&1))
	case FP32:
		for !finite(float64(math.Float32frombits(uint32(bits)))) {
			bits = rand.Uint64()
		}
	case FP64:
		for !finite(math.Float64frombits(bits)) {
			bits = rand.Uint64()
		}
	case Bytes:
		text := make([]rune, rand.IntN(20))
		for i := range text {
			text[i] = []rune{'a', '"', '\\', '\n', 0, 'é', '😀', '\u2028', '\ufffd', '/'}[rand.IntN(10)]
		}
		return AppendBytesElement(data, string(text))
	}
	return append(data, binary.LittleEndian.AppendUint64(nil, bits)[:d.Size()]...)
}

func TestRequestsRoundTripBitForBit(t *testing.T) {
	var back InferRequest
	for range 300 {
		want := InferRequest{ID: "id", BinaryInputs: rand.IntN(2) == 0, BinaryDefault: rand.IntN(2) == 0, Inputs: []Tensor{}}
		for d := Bool; d <= Bytes; d++ {
			if want.BinaryInputs || d.jsonCarries() {
				want.Inputs = append(want.Inputs, randomTensor(d, d.String()))
			}
		}
		want.Parameters = Parameters{{"s", String("é")}, {"i", Integer(-5)}, {"u", Unsigned(1 << 63)}, {"f", Float(0.1)}, {"b", Boolean(true)}}
		want.Outputs = []RequestedOutput{{Name: "y", Binary: rand.IntN(2) == 0}, {Name: "z"}}
		body, headerLen, err := AppendInferRequest(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Decode(body, headerLen, DefaultLimits()); err != nil {
			t.Fatalf("%v\n%q", err, body)
		}
		checkTensors(t, back.Inputs, want.Inputs)
		if back.ID != want.ID || back.BinaryInputs != want.BinaryInputs || back.BinaryDefault != want.BinaryDefault ||
			!slices.Equal(back.Parameters, want.Parameters) || !slices.Equal(back.Outputs, want.Outputs) {
			t.Fatalf("got  %+v\nwant %+v\n%q", back, want, body)
		}
	}
}

func TestResponsesRoundTripBitForBit(t *testing.T) {
	var back InferResponse
	for range 300 {
		want := InferResponse{ModelName: "m", ModelVersion: "7", ID: "id", Parameters: Parameters{{"f", Float(1.5)}}}
		for d := Bool; d <= Bytes; d++ {
			isBinary := !d.jsonCarries() || rand.IntN(2) == 0
			want.Outputs = append(want.Outputs, OutputTensor{Tensor: randomTensor(d, d.String()), Binary: isBinary})
		}
		body, headerLen, err := AppendInferResponse(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Decode(body, headerLen, DefaultLimits()); err != nil {
			t.Fatalf("%v\n%q", err, body)
		}
		if back.ModelName != "m" || back.ModelVersion != "7" || back.ID != "id" || !slices.Equal(back.Parameters, want.Parameters) {
			t.Fatalf("got  %+v\nwant %+v", back, want)
		}
		for i := range want.Outputs {
			checkTensors(t, []Tensor{back.Outputs[i].Tensor}, []Tensor{want.Outputs[i].Tensor})
			if back.Outputs[i].Binary != want.Outputs[i].Binary {
				t.Fatalf("output %d comes back with binary %t", i, back.Outputs[i].Binary)
			}
		}
	}
}

func checkTensors(t *testing.T, got, want []Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Name != w.Name || g.Datatype != w.Datatype || !slices.Equal(g.Shape, w.Shape) || !bytes.Equal(g.Data, w.Data) {
			t.Fatalf("got  %+v\nwant %+v", g, w)
		}
	}
}

// TestValuesAgreeWithEncodingJSON has encoding/json write what we read and read what we write.
func TestValuesAgreeWithEncodingJSON(t *testing.T) {
	for range 200 {
		agree(t, FP32, func() float32 { return math.Float32frombits(rand.Uint32() &^ (1 << 30)) })
		agree(t, FP64, rand.NormFloat64)
		agree(t, Int64, func() int64 { return int64(rand.Uint64()) >> rand.IntN(64) })
		agree(t, Uint64, func() uint64 { return rand.Uint64() >> rand.IntN(64) })
		agree(t, Int8, func() int8 { return int8(rand.Uint32()) })
		agree(t, Uint16, func() uint16 { return uint16(rand.Uint32()) })
		agree(t, Bool, func() bool { return rand.IntN(2) == 0 })
		agree(t, Bytes, func() string { return string([]rune{'<', '"', '\u2028', rune(rand.IntN(0xd800)), '\n'}[:rand.IntN(6)]) })
	}
}

func agree[T comparable](t *testing.T, d Datatype, value func() T) {
	t.Helper()
	type tensor struct {
		Name     string  `json:"name"`
		Shape    []int64 `json:"shape"`
		Datatype string  `json:"datatype"`
		Data     []T     `json:"data"`
	}
	values := make([]T, rand.IntN(20))
	for i := range values {
		values[i] = value()
	}
	theirs, err := json.Marshal(map[string]any{"inputs": []tensor{{"x", []int64{int64(len(values))}, d.String(), values}}})
	if err != nil {
		t.Fatal(err)
	}
	if d == Uint8 {
		t.Fatal("encoding/json writes bytes as base64")
	}
	var r InferRequest
	if err := r.Decode(theirs, NoHeaderLength, DefaultLimits()); err != nil {
		t.Fatalf("%v\n%s", err, theirs)
	}
	ours, _, err := AppendInferResponse(nil, &InferResponse{ModelName: "m", Outputs: []OutputTensor{{Tensor: r.Inputs[0]}}})
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		ModelName string   `json:"model_name"`
		Outputs   []tensor `json:"outputs"`
	}
	if err := json.Unmarshal(ours, &back); err != nil {
		t.Fatalf("%v\n%s", err, ours)
	}
	if got := back.Outputs[0]; !slices.Equal(got.Data, values) || got.Datatype != d.String() || back.ModelName != "m" {
		t.Fatalf("%s\nreads back as %v, want %v", ours, got, values)
	}
}

func TestDecodeAgainForgetsTheLastRequest(t *testing.T) {
	var used, fresh InferRequest
	bodies := []string{
		`{"id":"a","parameters":{"p":1},"inputs":[{"name":"x","shape":[3],"datatype":"BYTES","data":["a","b","c"]},` +
			`{"name":"y","shape":[1],"datatype":"INT8","data":[1]}],"outputs":[{"name":"o","parameters":{"binary_data":true}}]}`,
		`{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.5]}],"outputs":[{"name":"o"}]}`,
		`{"inputs":[]}`,
		irisBody,
	}
	for range 3 {
		for _, body := range bodies {
			fresh = InferRequest{}
			for _, r := range []*InferRequest{&used, &fresh} {
				if err := r.Decode([]byte(body), NoHeaderLength, DefaultLimits()); err != nil {
					t.Fatal(err)
				}
			}
			used.memory, fresh.memory = memory{}, memory{}
			if len(used.Inputs) != len(fresh.Inputs) || used.ID != fresh.ID || !slices.Equal(used.Outputs, fresh.Outputs) ||
				!slices.Equal(used.Parameters, fresh.Parameters) || used.BinaryDefault != fresh.BinaryDefault {
				t.Errorf("%s\nis %+v in a used request, %+v in a fresh one", body, used, fresh)
			}
			checkTensors(t, used.Inputs, fresh.Inputs)
		}
	}
}

func TestResetDropsTheBodyAndLargeBuffers(t *testing.T) {
	var r InferRequest
	body, headerLen := imageBody(t, false)
	if err := r.Decode(body, headerLen, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	r.Reset(1 << 20)
	if cap(r.memory.data) < 4*imageFloats {
		t.Error("Reset dropped a buffer it was to keep")
	}
	r.Reset(1 << 10)
	if r.memory.data != nil || r.memory.scan.buf != nil || len(r.Inputs) != 0 {
		t.Error("Reset kept a large buffer or the body")
	}
	for _, in := range r.Inputs[:cap(r.Inputs)] {
		if !reflect.DeepEqual(in, Tensor{}) {
			t.Errorf("Reset left %+v", in)
		}
	}
}
