package oip

import "encoding/binary"

// ProtoContentType is the Content-Type of an inference request or answer that is a protobuf message.
const ProtoContentType = "application/x-protobuf"

// The two messages that carry tensors are read and written by hand, so that tensor bytes are never copied into a message
// tree: a gateway that moves 600 KB of image otherwise spends most of its time there. The reader is stricter than
// protobuf where leniency means that two readers see two things: groups, a known field of another wire type, and a
// parameter or the contents of a tensor given twice are refused. The rest of the protocol's messages are small, and the
// generated stubs serve them.

// Field numbers. The first three are the same in a request and an answer, as are those of their tensors.
const (
	protoModelName    = 1
	protoModelVersion = 2
	protoID           = 3
	protoParameters   = 4
	protoTensors      = 5 // inputs of a request, outputs of an answer

	protoRequestOutputs = 6
	protoRequestRaw     = 7
	protoResponseRaw    = 6

	protoTensorName       = 1
	protoTensorDatatype   = 2
	protoTensorShape      = 3
	protoTensorParameters = 4
	protoTensorContents   = 5

	protoOutputName       = 1
	protoOutputParameters = 2

	protoMapKey   = 1
	protoMapValue = 2
)

// ProtoHead is what whoever forwards a ModelInferRequest or ModelInferResponse needs of it, read without touching tensors.
// The slices alias the message.
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
	var h ProtoHead
	p := protoReader{buf: msg}
	for p.more() {
		start := p.pos
		field, err := p.next()
		if err != nil {
			return ProtoHead{}, err
		}
		switch field {
		case protoModelName:
			err = h.take(&p, start, &h.Model, &h.ModelSpan, "model_name")
		case protoModelVersion:
			err = h.take(&p, start, &h.Version, &h.VersionSpan, "model_version")
		case protoID:
			err = h.take(&p, start, &h.ID, &h.IDSpan, "id")
		default:
			err = p.skip()
		}
		if err != nil {
			return ProtoHead{}, err
		}
	}
	return h, nil
}

// take reads one of the head's strings, whose tag starts at start.
func (h *ProtoHead) take(p *protoReader, start int, value *[]byte, span *ProtoSpan, what string) (err error) {
	h.Repeated = h.Repeated || span.End > 0
	*value, err = p.text(what)
	*span = ProtoSpan{start, p.pos}
	return err
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

// appendProtoTag appends the key of a field. All of ours have numbers below 16.
func appendProtoTag(dst []byte, field, wire int) []byte { return append(dst, byte(field<<3|wire)) }

// appendProtoText appends a field of type string or bytes, empty or not.
func appendProtoText[T ~string | ~[]byte](dst []byte, field int, s T) []byte {
	dst = appendProtoTag(dst, field, wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
