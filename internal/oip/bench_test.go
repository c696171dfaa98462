package oip

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// 150,528 floats are one image of 224 × 224 in three colours, the usual large request. Each benchmark here has one beside
// it that does the same with encoding/json and a struct of the same members.

const imageFloats = 3 * 224 * 224

// jsonRequest and jsonResponse are what one would write for encoding/json.
type (
	jsonRequest struct {
		ID     string       `json:"id,omitempty"`
		Inputs []jsonTensor `json:"inputs"`
	}
	jsonResponse struct {
		ID           string       `json:"id,omitempty"`
		ModelName    string       `json:"model_name"`
		ModelVersion string       `json:"model_version"`
		Outputs      []jsonTensor `json:"outputs"`
	}
	jsonTensor struct {
		Name     string    `json:"name"`
		Shape    []int64   `json:"shape"`
		Datatype string    `json:"datatype"`
		Data     []float32 `json:"data"`
	}
)

func imageValues() []float32 {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, imageFloats)
	for i := range values {
		values[i] = random.Float32()
	}
	return values
}

func fp32Data(values []float32) []byte {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

func imageTensor() Tensor {
	return Tensor{Name: "input", Datatype: FP32, Shape: []int64{1, 3, 224, 224}, Data: fp32Data(imageValues())}
}

func imageBody(tb testing.TB, binaryInputs bool) (body []byte, headerLen int) {
	tb.Helper()
	r := InferRequest{ID: "42", Inputs: []Tensor{imageTensor()}, BinaryInputs: binaryInputs}
	body, headerLen, err := AppendInferRequest(nil, &r)
	if err != nil {
		tb.Fatal(err)
	}
	return body, headerLen
}

const irisBody = `{"id":"7","inputs":[{"name":"input","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}`

func BenchmarkDecodeFP32JSON150k(b *testing.B) {
	body, headerLen := imageBody(b, false)
	var r InferRequest
	benchmarkDecode(b, body, func() error { return r.Decode(body, headerLen, DefaultLimits()) })
}

// BenchmarkDecodeFP32JSON150kPython decodes what Python makes of float32: json.dumps(array.tolist()), 17 digits each.
func BenchmarkDecodeFP32JSON150kPython(b *testing.B) {
	body := pythonBody(b)
	var r InferRequest
	benchmarkDecode(b, body, func() error { return r.Decode(body, NoHeaderLength, DefaultLimits()) })
}

func BenchmarkDecodeFP32JSON150kPythonEncodingJSON(b *testing.B) {
	body := pythonBody(b)
	benchmarkDecode(b, body, func() error {
		var r jsonRequest
		return json.Unmarshal(body, &r)
	})
}

func BenchmarkDecodeFP32JSON150kEncodingJSON(b *testing.B) {
	body, _ := imageBody(b, false)
	benchmarkDecode(b, body, func() error {
		var r jsonRequest
		return json.Unmarshal(body, &r)
	})
}

func BenchmarkDecodeFP32Binary600KB(b *testing.B) {
	body, headerLen := imageBody(b, true)
	var r InferRequest
	benchmarkDecode(b, body, func() error { return r.Decode(body, headerLen, DefaultLimits()) })
}

func BenchmarkDecodeIris(b *testing.B) {
	body := []byte(irisBody)
	var r InferRequest
	benchmarkDecode(b, body, func() error { return r.Decode(body, NoHeaderLength, DefaultLimits()) })
}

func BenchmarkDecodeIrisEncodingJSON(b *testing.B) {
	body := []byte(irisBody)
	benchmarkDecode(b, body, func() error {
		var r jsonRequest
		return json.Unmarshal(body, &r)
	})
}

func benchmarkDecode(b *testing.B, body []byte, decode func() error) {
	b.Helper()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := decode(); err != nil {
			b.Fatal(err)
		}
	}
}

func pythonBody(tb testing.TB) []byte {
	tb.Helper()
	wide := make([]float64, imageFloats)
	for i, v := range imageValues() {
		wide[i] = float64(v)
	}
	data, err := json.Marshal(wide)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Appendf(nil, `{"inputs":[{"name":"input","shape":[1,3,224,224],"datatype":"FP32","data":%s}]}`, data)
}

func BenchmarkEncodeFP32JSON150k(b *testing.B) {
	r := InferResponse{ModelName: "m", ModelVersion: "1", Outputs: []OutputTensor{{Tensor: imageTensor()}}}
	benchmarkEncode(b, &r)
}

func BenchmarkEncodeFP32JSON150kEncodingJSON(b *testing.B) {
	r := jsonResponse{ModelName: "m", ModelVersion: "1", Outputs: []jsonTensor{
		{Name: "input", Shape: []int64{1, 3, 224, 224}, Datatype: "FP32", Data: imageValues()},
	}}
	b.ReportAllocs()
	for b.Loop() {
		out, err := json.Marshal(&r)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}

func BenchmarkEncodeFP32Binary600KB(b *testing.B) {
	r := InferResponse{ModelName: "m", ModelVersion: "1", Outputs: []OutputTensor{{Tensor: imageTensor(), Binary: true}}}
	benchmarkEncode(b, &r)
}

func BenchmarkEncodeIris(b *testing.B) {
	r := InferResponse{ModelName: "iris", ModelVersion: "1", ID: "7", Outputs: []OutputTensor{
		{Tensor: Tensor{Name: "label", Datatype: Int64, Shape: []int64{1}, Data: make([]byte, 8)}},
		{Tensor: Tensor{Name: "probabilities", Datatype: FP32, Shape: []int64{1, 3}, Data: fp32Data([]float32{0.98, 0.015, 0.005})}},
	}}
	benchmarkEncode(b, &r)
}

func benchmarkEncode(b *testing.B, r *InferResponse) {
	b.Helper()
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var err error
		if out, _, err = AppendInferResponse(out[:0], r); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
}

func BenchmarkParsePathInfer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParsePath("/v2/models/iris/versions/1/infer"); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkCutIDIris(b *testing.B) { benchmarkCutID(b, []byte(irisBody)) }

func BenchmarkCutIDFP32JSON150k(b *testing.B) {
	body, _ := imageBody(b, false)
	benchmarkCutID(b, body)
}

func benchmarkCutID(b *testing.B, body []byte) {
	b.Helper()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, ok := CutID(body); !ok {
			b.Fatal("refused")
		}
	}
}
