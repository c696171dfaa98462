package oip

import "bytes"

// ProtoMayBeSequence reports whether a ModelInferRequest may belong to a sequence, whose answers depend on what was asked
// before: whether any of its parameters speaks of a sequence_id. A message that cannot be read may be anything. It does not
// touch tensors.
func ProtoMayBeSequence(msg []byte) bool {
	p := protoReader{buf: msg}
	for p.more() {
		field, err := p.next()
		if err != nil {
			return true
		}
		if field != protoParameters {
			if p.skip() != nil {
				return true
			}
			continue
		}
		entry, err := p.bytes("parameters")
		if err != nil || bytes.Contains(entry, []byte("sequence_id")) {
			return true
		}
	}
	return false
}
