package backend

import (
	"time"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// rest answers a REST request, whatever it came by. It fills in x's reply.
func (s *Server) rest(x *exchange) {
	s.dispatch(x)
	if !x.node.Known {
		x.node = s.loadAt(time.Now())
	}
}

// dispatch has the request answered by who is there for it.
func (s *Server) dispatch(x *exchange) {
	if x.call.Kind == oip.CallNone {
		s.answerOther(x)
		return
	}
	if method := x.method.String(); !x.call.Allows(method) {
		x.refuseMethod(x.call.Methods())
		return
	}
	if err := oip.RefuseCall(x.call.Kind); err != nil {
		s.refuse(x, err)
		return
	}
	switch x.call.Kind {
	case oip.CallModelInfer, oip.CallV1Predict:
		s.infer(x)
	case oip.CallServerLive:
		x.json(200, append(x.answer, `{"live":true}`...))
	case oip.CallServerReady:
		s.answerReady(x)
	case oip.CallModelReady, oip.CallV1Model:
		s.answerModelReady(x)
	default:
		if err := s.describe(x); err != nil {
			s.refuse(x, err)
		}
	}
}

// answerOther answers requests for what is not part of the protocol.
func (s *Server) answerOther(x *exchange) {
	if x.path != "/metrics" {
		x.json(404, oip.AppendError(x.answer, "Not Found")) // Triton's text
		return
	}
	if x.method != hop.MethodGet && x.method != hop.MethodHead {
		x.refuseMethod("GET, HEAD")
		return
	}
	s.serveMetrics(x)
}

// waits reports whether the request is for something that takes as long as it takes, so that it is worth knowing whether
// anybody still waits for it.
func (x *exchange) waits() bool {
	switch x.call.Kind {
	case oip.CallModelInfer, oip.CallV1Predict, oip.CallRepositoryLoad, oip.CallRepositoryUnload:
		return true
	default:
		return false
	}
}
