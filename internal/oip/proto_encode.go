package oip

import (
	"encoding/binary"
	"math"
	"slices"
)

// AppendProtoInferRequest appends r as a ModelInferRequest to that model, with raw_input_contents.
func AppendProtoInferRequest(dst []byte, model, version string, r *InferRequest) []byte {
	dst = appendProtoHead(dst, model, version, r.ID)
	for _, p := range r.Parameters {
		dst = appendProtoParameter(dst, protoParameters, p)
	}
	size := 0
	for i := range r.Inputs {
		dst = appendProtoTensor(dst, &r.Inputs[i])
		size += protoRawSize(&r.Inputs[i])
	}
	for i := range r.Outputs {
		dst = appendProtoRequestedOutput(dst, &r.Outputs[i])
	}
	dst = slices.Grow(dst, size)
	for i := range r.Inputs {
		dst = appendProtoText(dst, protoRequestRaw, r.Inputs[i].Data)
	}
	return dst
}

// AppendProtoInferResponse appends r as a ModelInferResponse with raw_output_contents, whatever Binary says: Triton's C++
// client reads no other form.
func AppendProtoInferResponse(dst []byte, r *InferResponse) []byte {
	dst = appendProtoHead(dst, r.ModelName, r.ModelVersion, r.ID)
	for _, p := range r.Parameters {
		dst = appendProtoParameter(dst, protoParameters, p)
	}
	size := 0
	for i := range r.Outputs {
		dst = appendProtoTensor(dst, &r.Outputs[i].Tensor)
		size += protoRawSize(&r.Outputs[i].Tensor)
	}
	dst = slices.Grow(dst, size)
	for i := range r.Outputs {
		dst = appendProtoText(dst, protoResponseRaw, r.Outputs[i].Data)
	}
	return dst
}

// protoRawSize bounds the bytes of a tensor's entry in the raw contents.
func protoRawSize(t *Tensor) int { return 1 + binary.MaxVarintLen64 + len(t.Data) }

// appendProtoHead appends what requests and answers begin with.
func appendProtoHead(dst []byte, model, version, id string) []byte {
	dst = appendProtoPresent(dst, protoModelName, model)
	dst = appendProtoPresent(dst, protoModelVersion, version)
	return appendProtoPresent(dst, protoID, id)
}

// appendProtoPresent appends a string, nothing for the empty one.
func appendProtoPresent(dst []byte, field int, s string) []byte {
	if s == "" {
		return dst
	}
	return appendProtoText(dst, field, s)
}

// openProto starts an embedded message; closeProto, called with where that was, sets its length. Ours are mostly shorter
// than 128 bytes, whose length is the one byte left for it.
func openProto(dst []byte, field int) (out []byte, at int) {
	dst = append(appendProtoTag(dst, field, wireBytes), 0)
	return dst, len(dst)
}

func closeProto(dst []byte, at int) []byte {
	size := len(dst) - at
	if size < 0x80 {
		dst[at-1] = byte(size)
		return dst
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(size))
	return slices.Replace(dst, at-1, at, length[:n]...)
}

// appendProtoTensor appends an input or output without its data.
func appendProtoTensor(dst []byte, t *Tensor) []byte {
	dst, at := openProto(dst, protoTensors)
	dst = appendProtoPresent(dst, protoTensorName, t.Name)
	dst = appendProtoText(dst, protoTensorDatatype, t.Datatype.String())
	if len(t.Shape) > 0 {
		var shape int
		dst, shape = openProto(dst, protoTensorShape)
		for _, dim := range t.Shape {
			dst = binary.AppendUvarint(dst, uint64(dim))
		}
		dst = closeProto(dst, shape)
	}
	for _, p := range t.Parameters {
		dst = appendProtoParameter(dst, protoTensorParameters, p)
	}
	return closeProto(dst, at)
}

// appendProtoRequestedOutput appends an entry of a request's outputs.
func appendProtoRequestedOutput(dst []byte, o *RequestedOutput) []byte {
	dst, at := openProto(dst, protoRequestOutputs)
	dst = appendProtoPresent(dst, protoOutputName, o.Name)
	if o.Classification > 0 {
		p := Parameter{Name: classificationName, Value: Integer(int64(o.Classification))}
		dst = appendProtoParameter(dst, protoOutputParameters, p)
	}
	return closeProto(dst, at)
}

// appendProtoParameter appends an entry of a map of parameters.
func appendProtoParameter(dst []byte, field int, p Parameter) []byte {
	dst, at := openProto(dst, field)
	dst = appendProtoText(dst, protoMapKey, p.Name)
	dst, value := openProto(dst, protoMapValue)
	switch kind := p.Value.kind; {
	case kind == BoolValue:
		dst = append(appendProtoTag(dst, 1, wireVarint), byte(p.Value.bits))
	case kind == StringValue:
		dst = appendProtoText(dst, 3, p.Value.text)
	case kind == FloatValue:
		dst = binary.LittleEndian.AppendUint64(appendProtoTag(dst, 4, wireFixed64), p.Value.bits)
	case kind == UintValue, p.Name == "priority" && p.Value.bits <= math.MaxInt64: // Triton's clients send it unsigned
		dst = binary.AppendUvarint(appendProtoTag(dst, 5, wireVarint), p.Value.bits)
	case kind == IntValue:
		dst = binary.AppendUvarint(appendProtoTag(dst, 2, wireVarint), p.Value.bits)
	}
	return closeProto(closeProto(dst, value), at)
}
