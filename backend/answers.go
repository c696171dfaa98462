package backend

import (
	"context"
	"errors"
	"net/http"

	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// json answers with a body that has been appended to x.answer.
func (r *reply) json(status int, body []byte) {
	r.status, r.contentType, r.answer = status, typeJSON, body
}

// statusOf is the HTTP status that an error stands for, in metrics also where there is no HTTP; 200 for none.
func statusOf(err error) int {
	var refusal *oip.Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &refusal):
		return refusal.Code.HTTPStatus()
	case errors.Is(err, context.Canceled):
		return statusClientGone
	default:
		return http.StatusInternalServerError
	}
}

// statusClientGone is nginx's status for a client that has left before its answer. Nobody reads it but those who look at the
// node's metrics.
const statusClientGone = 499

// refuse answers with what err says to the client, and returns the status. Errors that are not the client's are logged, and
// the client reads only that there was one.
func (s *Server) refuse(x *exchange, err error) (status int) {
	status = statusOf(err)
	var refusal *oip.Error
	switch {
	case errors.As(err, &refusal):
		s.log.Debug("refused a request", "path", x.path, "status", status, "reason", err)
	case status == statusClientGone:
		refusal = oip.Errorf(oip.Unknown, "the client has left")
		s.log.Debug("a client has left", "path", x.path)
	default:
		refusal = oip.Errorf(oip.Internal, "the model failed: the node's log has the reason")
		log := s.log.With("path", x.path)
		if p, ok := errors.AsType[*scheduler.PanicError](err); ok {
			log = log.With("stack", string(p.Stack))
		}
		log.Error("an inference failed", "reason", err)
	}
	x.headers, x.headerLength = x.headers[:0], oip.NoHeaderLength
	x.json(status, oip.AppendError(x.answer[:0], refusal.Msg))
	if status == http.StatusServiceUnavailable {
		x.set("Retry-After", "1") // seconds: loads and restarts take about that
	}
	if status == http.StatusNotImplemented && len(x.contentEncoding) > 0 {
		x.set("Accept-Encoding", codingGzip+", "+codingDeflate) // as RFC 7694 asks, and Triton does
	}
	if refusal.Refusal != "" {
		x.set(oip.RefusalName, string(refusal.Refusal))
	}
	return status
}

// refuseMethod answers a request for a path that there is, with a method that it does not take.
func (x *exchange) refuseMethod(allowed string) {
	x.json(http.StatusMethodNotAllowed, oip.AppendError(x.answer[:0], "Method Not Allowed")) // Triton's text
	x.set("Allow", allowed)
}
