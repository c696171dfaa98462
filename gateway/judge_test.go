package gateway

import (
	"errors"
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

func TestVerdicts(t *testing.T) {
	refused := &transportError{phase: connecting, err: errors.New("connection refused"), unsent: true}
	broken := &transportError{phase: receiving, err: errors.New("unexpected EOF")}
	goaway := &transportError{phase: draining, err: errors.New("goaway"), unsent: true, blameless: true}
	tooLarge := receiveError(fasthttp.ErrBodyTooLarge, 1<<10)
	for name, c := range map[string]struct {
		err    error
		status int
		late   bool
		want   verdict
	}{
		"answered":              {nil, 200, false, verdict{balancer.Success, false, reasonOK, false}},
		"redirect":              {nil, 302, false, verdict{balancer.Success, false, reasonOK, false}},
		"client's fault":        {nil, 400, false, verdict{balancer.Success, false, reasonRejected, false}},
		"not found":             {nil, 404, false, verdict{balancer.Success, false, reasonRejected, false}},
		"node is full":          {nil, 429, false, verdict{balancer.Neutral, true, reasonRejected, false}},
		"model failed":          {nil, 500, false, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		"not implemented":       {nil, 501, false, verdict{balancer.Success, false, reasonRejected, false}},
		"bad gateway":           {nil, 502, false, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		"unavailable":           {nil, 503, false, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		"node's own timeout":    {nil, 504, false, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		"switching protocols":   {nil, 101, false, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		"answered late":         {nil, 200, true, verdict{balancer.Success, false, reasonOK, false}},
		"refused":               {refused, 0, false, verdict{balancer.Failure, true, reasonUpstreamError, true}},
		"broke off":             {broken, 0, false, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		"time is up":            {broken, 0, true, verdict{balancer.Failure, false, reasonUpstreamTimeout, false}},
		"connection drains":     {goaway, 0, false, verdict{balancer.Neutral, true, reasonUpstreamError, true}},
		"client has left":       {errLeft, 0, false, verdict{balancer.Neutral, false, reasonClientGone, false}},
		"node's clock is ahead": {errLate, 0, false, verdict{balancer.Failure, false, reasonUpstreamTimeout, false}},
		"no memory for it":      {errAnswerMemory, 0, false, verdict{balancer.Neutral, false, reasonOverload, false}},
		"answer over the limit": {tooLarge, 0, false, verdict{balancer.Neutral, false, reasonUpstreamError, false}},
		"no connection is free": {errBusy, 0, false, verdict{balancer.Neutral, true, reasonUpstreamBusy, false}},
		"none free, time is up": {errBusy, 0, true, verdict{balancer.Neutral, true, reasonUpstreamBusy, false}},
	} {
		var resp fasthttp.Response
		resp.SetStatusCode(c.status)
		if got := classify(c.err, &resp, c.late); got != c.want {
			t.Errorf("%s: classify(%v, %d, %t) = %+v, want %+v", name, c.err, c.status, c.late, got, c.want)
		}
	}
}

// A refusal of one model, or of one request, is not the node's failure; any other answer with its status is.
func TestVerdictsOnRefusals(t *testing.T) {
	for _, c := range []struct {
		why    oip.Refusal
		status int
		want   verdict
	}{
		{oip.NotReady, 503, verdict{balancer.Neutral, true, reasonUpstreamError, false}},
		{oip.Draining, 503, verdict{balancer.Neutral, true, reasonUpstreamError, true}},
		{oip.Full, 503, verdict{balancer.Neutral, true, reasonUpstreamBusy, false}},
		{oip.Expired, 503, verdict{balancer.Neutral, false, reasonRejected, false}},
		{"something new", 503, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		{"", 503, verdict{balancer.Failure, true, reasonUpstreamError, false}},
		{oip.NotReady, 200, verdict{balancer.Success, false, reasonOK, false}},
		{oip.NotReady, 101, verdict{balancer.Failure, true, reasonUpstreamError, false}},
	} {
		var resp fasthttp.Response
		resp.SetStatusCode(c.status)
		resp.Header.Set(oip.RefusalName, string(c.why))
		if got := classify(nil, &resp, false); got != c.want {
			t.Errorf("%d with %q: %+v, want %+v", c.status, c.why, got, c.want)
		}
	}
}
