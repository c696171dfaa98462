package backend

import (
	"net/http"
	"time"

	"ganglion/internal/oip"
)

// infer answers POST …/infer and …:predict.
func (s *Server) infer(x *exchange) {
	began := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	in, err := s.acquire(x.call.Model, x.call.Version)
	if err != nil {
		s.metrics.answered(nil, s.refuse(x, err), began)
		return
	}
	x.enter(in, began)
	defer s.settle(&x.inference)
	if x.node, x.declined = s.declines(&x.inference, x.most, x.within); x.declined {
		return
	}
	s.teller.changed()
	err = s.inferWith(x)
	in.metrics.ended(err == nil, x.refused, began)
	status := http.StatusOK
	if err != nil {
		status = s.refuse(x, err)
	}
	s.metrics.answered(in, status, began)
	x.node, x.model = s.loadAt(began), in.metrics.loadNow()
}

// inferWith reads the request, runs the model and writes the answer.
func (s *Server) inferWith(x *exchange) error {
	if err := s.read(x); err != nil {
		return err
	}
	if err := s.run(x.patience, &x.inference, &x.request, &x.response); err != nil {
		return err
	}
	if err := s.write(x); err != nil {
		return err
	}
	return s.holdAnswer(x)
}

// read decodes the request's body, which stays the connection's.
func (s *Server) read(x *exchange) error {
	body, err := s.plain(x)
	if err != nil {
		return err
	}
	if x.call.Kind == oip.CallV1Predict {
		return x.request.DecodeV1(body, x.in.rows, s.limits)
	}
	if x.speaksProto() {
		return s.readProto(x, body)
	}
	length, err := x.jsonBytes()
	if err != nil {
		return err
	}
	if length == 0 {
		return x.request.DecodeRaw(body, x.in.inputs, s.limits)
	}
	limits := s.limits
	limits.Model = x.in.name
	return x.request.Decode(body, length, limits)
}

// jsonBytes is how much of the body is JSON.
func (x *exchange) jsonBytes() (int, error) {
	switch x.lengths {
	case 0:
		return x.jsonLength, nil
	case 1:
		return oip.ParseHeaderLength(x.lengthText)
	default: // a proxy in between may have gone by the other
		return 0, oip.Errorf(oip.InvalidArgument, "more than one %s header", oip.HeaderLengthName)
	}
}

// write encodes the response.
func (s *Server) write(x *exchange) (err error) {
	x.reply.contentType = typeJSON
	switch {
	case x.call.Kind == oip.CallV1Predict:
		x.answer, err = oip.AppendV1Predictions(x.answer, x.response.Outputs)
	case x.speaksProto():
		x.answer, x.contentType = oip.AppendProtoInferResponse(x.answer, &x.response), oip.ProtoContentType
	default:
		x.answer, x.headerLength, err = oip.AppendInferResponse(x.answer, &x.response)
		if x.headerLength != oip.NoHeaderLength {
			x.contentType = typeBinary
		}
	}
	if err != nil {
		return err
	}
	x.status = http.StatusOK
	if x.wantsTiming {
		x.set("Server-Timing", timingText(&x.scheduled.Timing))
	}
	s.compress(x)
	return nil
}
