package oip

import "encoding/binary"

// ProtoContentType is the Content-Type of an inference request or answer that is a protobuf message.
const ProtoContentType = "application/x-protobuf"

// ProtoHead is what whoever forwards a ModelInferRequest or ModelInferResponse needs of it, read without touching tensors.
// The strings alias the message.
type ProtoHead struct {
	Model   []byte
	Version []byte
	ID      []byte

	// Where each of them stands in the message, tag and length included. An absent one has an empty span.
	ModelSpan, VersionSpan, IDSpan ProtoSpan

	// Repeated says that one of them came more than once: the last counts, the spans are those of the last.
	Repeated bool
}

// ProtoSpan is a part of a message: msg[Start:End].
type ProtoSpan struct{ Start, End int }

// ScanProtoHead reads the head of a ModelInferRequest or a ModelInferResponse, whose first fields are the same. It walks
// the fields of the message itself and none of those inside, so that its cost does not depend on tensor sizes.
//
// To change one of the three in a message, append it again with AppendProtoModel, AppendProtoVersion or AppendProtoID: of a
// field that comes twice, every protobuf reader takes the last.
func ScanProtoHead(msg []byte) (ProtoHead, error) {
	return ProtoHead{}, Errorf(Unsupported, "not built")
}

// AppendProtoModel appends the field model_name to a request or an answer.
func AppendProtoModel[T ~string | ~[]byte](dst []byte, model T) []byte {
	return appendProtoText(dst, protoModelName, model)
}

// AppendProtoVersion appends the field model_version to a request or an answer.
func AppendProtoVersion[T ~string | ~[]byte](dst []byte, version T) []byte {
	return appendProtoText(dst, protoModelVersion, version)
}

// AppendProtoID appends the field id to a request or an answer.
func AppendProtoID[T ~string | ~[]byte](dst []byte, id T) []byte {
	return appendProtoText(dst, protoID, id)
}
func appendProtoText[T ~string | ~[]byte](dst []byte, field int, s T) []byte {
	dst = append(dst, byte(field<<3|2))
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

const (
	protoModelName    = 1
	protoModelVersion = 2
	protoID           = 3
)

// DecodeProto reads a ModelInferRequest into r, replacing what r held and reusing its memory, and returns the model and
// version it names. Raw tensor data aliases msg; typed contents are brought into the wire layout. Every requested output
// is Binary, as raw_output_contents is how answers go back. After an error r is empty and may be decoded into again.
func (r *InferRequest) DecodeProto(msg []byte, lim Limits) (model, version string, err error) {
	return "", "", Errorf(Unsupported, "not built")
}

// DecodeProto reads a ModelInferResponse into r, as InferRequest.DecodeProto does; every output is Binary. After an error,
// which is Internal and no client's fault, r is empty and may be decoded into again.
func (r *InferResponse) DecodeProto(msg []byte, lim Limits) error {
	return Errorf(Unsupported, "not built")
}

// AppendProtoInferRequest appends r as a ModelInferRequest to that model, with raw_input_contents.
func AppendProtoInferRequest(dst []byte, model, version string, r *InferRequest) []byte { return dst }

// AppendProtoInferResponse appends r as a ModelInferResponse with raw_output_contents, whatever Binary says.
func AppendProtoInferResponse(dst []byte, r *InferResponse) []byte { return dst }
