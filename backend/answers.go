package backend

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"ganglion/backend/scheduler"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip"
)

func writeJSON(ctx *fasthttp.RequestCtx, status int, body []byte) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.Response.SetBody(body)
}

// statusOf is the HTTP status that an error stands for, in metrics also where there is no HTTP; 200 for none.
func statusOf(err error) int {
	var refusal *oip.Error
	switch {
	case err == nil:
		return fasthttp.StatusOK
	case errors.As(err, &refusal):
		return refusal.Code.HTTPStatus()
	case errors.Is(err, context.Canceled):
		return statusClientGone
	default:
		return fasthttp.StatusInternalServerError
	}
}

// statusClientGone is nginx's status for a client that has left before its answer. Nobody reads it but those who look at the
// node's metrics.
const statusClientGone = 499

// refuse answers with what err says to the client, and returns the status. Errors that are not the client's are logged, and
// the client reads only that there was one.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) (status int) {
	var refusal *oip.Error
	switch {
	case errors.As(err, &refusal):
		s.log.Debug("refused a request", "path", string(ctx.Path()), "status", refusal.Code.HTTPStatus(), "reason", err)
	default:
		refusal = oip.Errorf(oip.Internal, "the model failed: the node's log has the reason")
		log := s.log.With("path", string(ctx.Path()))
		if p, ok := errors.AsType[*scheduler.PanicError](err); ok {
			log = log.With("stack", string(p.Stack))
		}
		log.Error("an inference failed", "reason", err)
	}
	status = refusal.Code.HTTPStatus()
	httpserver.WriteError(ctx, status, refusal.Msg)
	if status == fasthttp.StatusServiceUnavailable {
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1") // seconds: loads and restarts take about that
	}
	if refusal.Refusal != "" {
		ctx.Response.Header.Set(oip.RefusalName, string(refusal.Refusal))
	}
	return status
}

func refuseMethod(ctx *fasthttp.RequestCtx, allowed string) {
	httpserver.WriteError(ctx, fasthttp.StatusMethodNotAllowed, "Method Not Allowed")
	ctx.Response.Header.Set(fasthttp.HeaderAllow, allowed)
}
