package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"ganglion/internal/oip"
)

// 150,528 floats are one image of 224 × 224 in three colours, the usual large request.
var imageShape = [...]int64{1, 3, 224, 224} // read-only

// What one would write for encoding/json.
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

// allTasks makes the tasks, with their messages.
func allTasks() ([]task, error) {
	values := randomFloats(3 * 224 * 224)
	image := tensor(values, imageShape[:])
	short, err := requestWith(image, false)
	if err != nil {
		return nil, err
	}
	wide, err := json.Marshal(widened(values))
	if err != nil {
		return nil, err
	}
	python := message{headerLen: oip.NoHeaderLength}
	python.body = fmt.Appendf(nil, `{"inputs":[{"name":"input","shape":[1,3,224,224],"datatype":"FP32","data":%s}]}`, wide)
	tasks := []task{
		{"read 150,528 floats as JSON", goal{times: 4}, decoding(short), decodingJSON(short)},
		{"the same with 17 digits, as Python writes them", goal{times: 4}, decoding(python), decodingJSON(python)},
		{"write 150,528 floats as JSON", goal{times: 4}, encoding(image, false), encodingJSON(values)},
	}
	const images = 16
	many := tensor(randomFloats(images*len(values)), []int64{images, 3, 224, 224})
	for _, t := range []struct {
		size   string
		tensor oip.Tensor
	}{{"600 KB", image}, {"9.6 MB", many}} {
		binaryTasks, err := tasksFor(t.tensor, t.size)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, binaryTasks...)
	}
	return tasks, nil
}

// tasksFor are those where the tensor is not JSON: their cost must not depend on its size, but for the one copy into an
// answer.
func tasksFor(t oip.Tensor, size string) ([]task, error) {
	body, err := requestWith(t, true)
	if err != nil {
		return nil, err
	}
	msg := oip.AppendProtoInferRequest(nil, "m", "1", &oip.InferRequest{ID: "42", Inputs: []oip.Tensor{t}})
	limit := goal{most: 2 * time.Microsecond}
	return []task{
		{size + ": read a binary request", limit, decoding(body), nil},
		{size + ": read it in protobuf", limit, decodingProto(msg), nil},
		{size + ": find its model in protobuf", limit, scanning(msg), nil},
		{size + ": write it as a binary answer", goal{}, encoding(t, true), nil},
		{size + ": copy the tensor, for comparison", goal{}, copying(t.Data), nil},
	}, nil
}

// message is a REST body and where its JSON ends.
type message struct {
	body      []byte
	headerLen int
}

func requestWith(t oip.Tensor, asBinary bool) (message, error) {
	body, headerLen, err := oip.AppendInferRequest(nil, &oip.InferRequest{ID: "42", Inputs: []oip.Tensor{t}, BinaryInputs: asBinary})
	return message{body, headerLen}, err
}

func decoding(m message) func() error {
	r := new(oip.InferRequest)
	return func() error { return r.Decode(m.body, m.headerLen, oip.DefaultLimits()) }
}

func decodingJSON(m message) func() error {
	return func() error {
		var r jsonRequest
		return json.Unmarshal(m.body, &r)
	}
}

func decodingProto(msg []byte) func() error {
	r := new(oip.InferRequest)
	return func() error {
		_, _, err := r.DecodeProto(msg, oip.DefaultLimits())
		return err
	}
}

func scanning(msg []byte) func() error {
	return func() error {
		_, err := oip.ScanProtoHead(msg)
		return err
	}
}

func encoding(t oip.Tensor, asBinary bool) func() error {
	r := oip.InferResponse{ModelName: "m", ModelVersion: "1", ID: "42", Outputs: []oip.OutputTensor{{Tensor: t, Binary: asBinary}}}
	var out []byte
	return func() (err error) {
		out, _, err = oip.AppendInferResponse(out[:0], &r)
		return err
	}
}

func encodingJSON(values []float32) func() error {
	r := jsonResponse{ModelName: "m", ModelVersion: "1", ID: "42", Outputs: []jsonTensor{
		{Name: "input", Shape: imageShape[:], Datatype: "FP32", Data: values},
	}}
	return func() error {
		_, err := json.Marshal(&r)
		return err
	}
}

func copying(data []byte) func() error {
	to := make([]byte, len(data))
	return func() error {
		copy(to, data)
		return nil
	}
}

func randomFloats(n int) []float32 {
	random := rand.New(rand.NewPCG(1, 2)) // the same in every run
	values := make([]float32, n)
	for i := range values {
		values[i] = random.Float32()
	}
	return values
}

func widened(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}

func tensor(values []float32, shape []int64) oip.Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return oip.Tensor{Name: "input", Datatype: oip.FP32, Shape: shape, Data: data}
}
