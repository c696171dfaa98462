package gateway

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// probePath is the readiness endpoint that the protocol gives every server.
const probePath = "/v2/health/ready"

// probeAnswer bounds a probe's answer: any real one is a few bytes.
const probeAnswer = 64 << 10

// probe asks a node whether it is ready; nil = it is. It uses a connection of its own, so that accepting
// one is part of the question.
func probe(ctx context.Context, via dialer) error {
	c, err := via.dial(ctx, time.Time{})
	if err != nil {
		return err
	}
	defer c.Close()
	// The end of ctx, be it the probe's timeout or the pool's stop, ends reading and writing too.
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(longAgo) })
	defer stop()
	request := "GET " + probePath + " HTTP/1.1\r\nHost: " + via.address + "\r\nUser-Agent: ganglion-probe\r\nConnection: close\r\n\r\n"
	if _, err := c.Write([]byte(request)); err != nil {
		return err
	}
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	in := bufio.NewReader(c)
	_, err = in.Peek(1) // fasthttp calls every error at the first byte the end: a refused certificate would go unread
	if err == nil {
		err = resp.ReadLimitBody(in, probeAnswer)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("no answer to GET %s: %w", probePath, err)
	}
	if status := resp.StatusCode(); status != fasthttp.StatusOK {
		return fmt.Errorf("answers %d to GET %s", status, probePath)
	}
	return nil
}
