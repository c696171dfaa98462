package backend

import (
	"bytes"

	"ganglion/internal/oip"
)

// speaksProto reports whether the request is a protobuf message. A gateway sends those on that came to it by gRPC: so neither
// it nor the hop touches a tensor.
func (x *exchange) speaksProto() bool {
	return x.call.Kind == oip.CallModelInfer && bytes.EqualFold(x.bodyType, []byte(oip.ProtoContentType))
}

// readProto decodes such a request. The path says which model it is for, whatever the message says: it is what everybody on
// the way has gone by.
func (s *Server) readProto(x *exchange, body []byte) error {
	_, _, err := x.request.DecodeProto(body, s.limits)
	return err
}
