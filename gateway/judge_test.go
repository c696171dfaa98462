package gateway

import (
	"errors"
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
)

func TestVerdicts(t *testing.T) {
	refused := &transportError{connecting, errors.New("connection refused")}
	broken := &transportError{receiving, errors.New("unexpected EOF")}
	tooLarge := &transportError{receiving, fasthttp.ErrBodyTooLarge}
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
		if got := classify(c.err, c.status, c.late); got != c.want {
			t.Errorf("%s: classify(%v, %d, %t) = %+v, want %+v", name, c.err, c.status, c.late, got, c.want)
		}
	}
}
