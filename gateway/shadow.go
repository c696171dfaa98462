package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/gateway/rollout"
)

// sendCopy sends a copy to a node of the shadow's pool: once, since nobody waits for its answer.
//
// Its outcome is reported as neutral whatever it was. A pool may be the shadow of one route and the stable pool of
// another, or of the very same with another version: a shadow that fails must not open a circuit on live traffic.
func (v *variant) sendCopy(ctx context.Context, c *rollout.Copy) error {
	start := time.Now()
	var tried balancer.Tried
	lease, err := v.lease(&tried)
	if err != nil {
		v.metrics.outcomes.add(0, reasonNoNode)
		return err
	}
	defer lease.Done(balancer.Neutral)
	out := &outbound{method: c.Method, target: c.Target, headers: parseLines(nil, c.Header), body: c.Body, start: start}
	out.deadline, _ = ctx.Deadline() // a Mirror always sets one
	stop := context.AfterFunc(ctx, out.breakOff)
	defer stop()
	defer out.answer.release()
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	err = memberOf(lease.Node()).transport.roundTrip(out, resp)
	status := resp.StatusCode()
	if err != nil {
		status = 0
	}
	judged := classify(err, resp, !out.end.Before(out.deadline))
	v.metrics.outcomes.add(status, judged.reason)
	v.metrics.duration.Observe(out.end.Sub(out.start).Seconds())
	switch {
	case err != nil:
		return err
	case judged.reason != reasonOK:
		return fmt.Errorf("answered %d", status)
	}
	return nil
}
