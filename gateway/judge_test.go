package gateway

import (
	"errors"
	"testing"
	"time"

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
		"answered":              {nil, 200, false, verdict{node: balancer.Success, reason: reasonOK}},
		"redirect":              {nil, 302, false, verdict{node: balancer.Success, reason: reasonOK}},
		"client's fault":        {nil, 400, false, verdict{node: balancer.Success, reason: reasonRejected}},
		"not found":             {nil, 404, false, verdict{node: balancer.Success, reason: reasonRejected}},
		"node is full":          {nil, 429, false, verdict{node: balancer.Neutral, retry: true, reason: reasonRejected, refusal: balancer.Full}},
		"model failed":          {nil, 500, false, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		"not implemented":       {nil, 501, false, verdict{node: balancer.Success, reason: reasonRejected}},
		"bad gateway":           {nil, 502, false, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		"unavailable":           {nil, 503, false, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		"node's own timeout":    {nil, 504, false, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		"switching protocols":   {nil, 101, false, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		"answered late":         {nil, 200, true, verdict{node: balancer.Success, reason: reasonOK}},
		"refused":               {refused, 0, false, verdict{node: balancer.Failure, retry: true, reason: reasonUpstreamError, unsent: true}},
		"broke off":             {broken, 0, false, verdict{node: balancer.Failure, retry: true, reason: reasonUpstreamError}},
		"time is up":            {broken, 0, true, verdict{node: balancer.Faulty, reason: reasonUpstreamTimeout}},
		"connection drains":     {goaway, 0, false, verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamError, unsent: true}},
		"client has left":       {errLeft, 0, false, verdict{node: balancer.Neutral, reason: reasonClientGone}},
		"node's clock is ahead": {errLate, 0, false, verdict{node: balancer.Faulty, reason: reasonUpstreamTimeout}},
		"no memory for it":      {errAnswerMemory, 0, false, verdict{node: balancer.Neutral, reason: reasonOverload}},
		"answer over the limit": {tooLarge, 0, false, verdict{node: balancer.Neutral, reason: reasonUpstreamError}},
		"no connection is free": {errBusy, 0, false, verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamBusy}},
		"none free, time is up": {errBusy, 0, true, verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamBusy}},
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
		{oip.NotReady, 503, verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamError, refusal: balancer.NotReady}},
		{oip.Draining, 503, verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamError, unsent: true, refusal: balancer.Draining}},
		{oip.Full, 503, verdict{node: balancer.Neutral, retry: true, reason: reasonUpstreamBusy, refusal: balancer.Full}},
		{oip.Expired, 503, verdict{node: balancer.Neutral, reason: reasonRejected}},
		{"something new", 503, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		{"", 503, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
		{oip.NotReady, 200, verdict{node: balancer.Success, reason: reasonOK}},
		{oip.NotReady, 101, verdict{node: balancer.Faulty, retry: true, reason: reasonUpstreamError}},
	} {
		var resp fasthttp.Response
		resp.SetStatusCode(c.status)
		resp.Header.Set(oip.RefusalName, string(c.why))
		if got := classify(nil, &resp, false); got != c.want {
			t.Errorf("%d with %q: %+v, want %+v", c.status, c.why, got, c.want)
		}
	}
}

// What a node says of when to come back is believed up to a bound, and what is no time is none.
func TestRestsThatNodesAskFor(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "Wed, 21 Oct 1999 07:28:00 GMT": 0,
		"999999999": restMost * time.Second, "99999999999999999999999": restMost * time.Second, "Wed, 21 Oct 2099 07:28:00 GMT": restMost * time.Second,
	} {
		var resp fasthttp.Response
		resp.Header.Set(fasthttp.HeaderRetryAfter, value)
		if got := restOf(&resp); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}
