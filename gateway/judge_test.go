package gateway

import (
	"errors"
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

func TestVerdicts(t *testing.T) {
	refused := &transportError{connecting, errors.New("connection refused")}
	broken := &transportError{receiving, errors.New("unexpected EOF")}
	tooLarge := receiveError(fasthttp.ErrBodyTooLarge, 1<<10)
	for name, c := range map[string]struct {
		err    error
		status int
		late   bool
		want   verdict
	}{
		"answered":              {nil, 200, false, verdict{balancer.Success, false, reasonOK}},
		"redirect":              {nil, 302, false, verdict{balancer.Success, false, reasonOK}},
		"client's fault":        {nil, 400, false, verdict{balancer.Success, false, reasonRejected}},
		"not found":             {nil, 404, false, verdict{balancer.Success, false, reasonRejected}},
		"node is full":          {nil, 429, false, verdict{balancer.Neutral, true, reasonRejected}},
		"model failed":          {nil, 500, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"not implemented":       {nil, 501, false, verdict{balancer.Success, false, reasonRejected}},
		"bad gateway":           {nil, 502, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"unavailable":           {nil, 503, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"node's own timeout":    {nil, 504, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"switching protocols":   {nil, 101, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"answered late":         {nil, 200, true, verdict{balancer.Success, false, reasonOK}},
		"refused":               {refused, 0, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"broke off":             {broken, 0, false, verdict{balancer.Failure, true, reasonUpstreamError}},
		"time is up":            {broken, 0, true, verdict{balancer.Failure, false, reasonUpstreamTimeout}},
		"answer over the limit": {tooLarge, 0, false, verdict{balancer.Neutral, false, reasonUpstreamError}},
		"no connection is free": {errBusy, 0, false, verdict{balancer.Neutral, true, reasonUpstreamBusy}},
		"none free, time is up": {errBusy, 0, true, verdict{balancer.Neutral, true, reasonUpstreamBusy}},
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
		{oip.NotReady, 503, verdict{balancer.Neutral, true, reasonUpstreamError}},
		{oip.Draining, 503, verdict{balancer.Neutral, true, reasonUpstreamError}},
		{oip.Full, 503, verdict{balancer.Neutral, true, reasonUpstreamBusy}},
		{oip.Expired, 503, verdict{balancer.Neutral, false, reasonRejected}},
		{"something new", 503, verdict{balancer.Failure, true, reasonUpstreamError}},
		{"", 503, verdict{balancer.Failure, true, reasonUpstreamError}},
		{oip.NotReady, 200, verdict{balancer.Success, false, reasonOK}},
		{oip.NotReady, 101, verdict{balancer.Failure, true, reasonUpstreamError}},
	} {
		var resp fasthttp.Response
		resp.SetStatusCode(c.status)
		resp.Header.Set(oip.RefusalName, string(c.why))
		if got := classify(nil, &resp, false); got != c.want {
			t.Errorf("%d with %q: %+v, want %+v", c.status, c.why, got, c.want)
		}
	}
}
