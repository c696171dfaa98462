package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/certs"
)

// probePath is the readiness endpoint that the protocol gives every server.
const probePath = "/v2/health/ready"

const (
	// probeAnswer bounds a probe's answer: any real one is a few bytes.
	probeAnswer = 64 << 10
	// indexAnswer bounds a repository index: forty thousand versions that are ready.
	indexAnswer = 4 << 20
)

// probe asks a node whether it is ready; nil = it is.
type probe func(ctx context.Context, n *balancer.Node) error

// newProbe asks a node in the protocol that it speaks.
func newProbe(n balancer.NodeConfig, secure *certs.Client) probe {
	via := dialer{n.Address, secure}
	if n.Protocol == balancer.ProtocolGRPC {
		return (&rpcProber{via: via}).ask
	}
	return (&prober{via: via}).ask
}

// prober probes a node over HTTP. Each probe has a connection of its own, so that accepting one is part of the question.
type prober struct {
	via    dialer
	models inventory
}

// ask implements probe.
func (p *prober) ask(ctx context.Context, n *balancer.Node) error {
	c := probeConn{via: p.via}
	defer c.close()
	status, _, err := c.do(ctx, fasthttp.MethodGet, probePath, nil, probeAnswer)
	switch {
	case err != nil && isOurs(err):
		return fmt.Errorf("%w: %w", balancer.ErrUnasked, err)
	case err != nil && c.asked:
		return fmt.Errorf("no answer to GET %s: %w", probePath, err)
	case err != nil:
		return err
	case status != fasthttp.StatusOK:
		return fmt.Errorf("answers %d to GET %s", status, probePath)
	}
	// Whatever comes of it, the node is ready.
	p.models.take(n, &httpQuestions{ctx: ctx, conn: &c})
	return nil
}

// probeConn is the connection of a probe.
type probeConn struct {
	via   dialer
	conn  net.Conn // nil = none yet, or the node has ended it
	in    *bufio.Reader
	asked bool // the question is on its way
}

// do asks one question. The end of ctx, be it the probe's timeout or the pool's stop, ends it.
func (c *probeConn) do(ctx context.Context, method, path string, body []byte, limit int) (status int, answer []byte, err error) {
	if c.conn == nil {
		if c.conn, err = c.via.dial(ctx, time.Time{}); err != nil {
			return 0, nil, err
		}
		c.in = bufio.NewReader(c.conn)
	}
	conn := c.conn // c may have let go of it when ctx ends
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(longAgo) })
	defer stop()
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	if err = c.exchange(method, path, body, limit, resp); err != nil {
		c.close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, nil, err
	}
	if answer, err = resp.BodyUncompressed(); err != nil {
		return 0, nil, err
	}
	answer = append([]byte(nil), answer...)
	if resp.ConnectionClose() {
		c.close()
	}
	return resp.StatusCode(), answer, nil
}

func (c *probeConn) exchange(method, path string, body []byte, limit int, resp *fasthttp.Response) error {
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ganglion-probe\r\n", method, path, c.via.address)
	if body != nil {
		request = fmt.Appendf(request, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	request = append(append(request, "\r\n"...), body...)
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	c.asked = true
	if _, err := c.in.Peek(1); err != nil {
		return err // fasthttp calls every error at the first byte the end: a refused certificate would go unread
	}
	return resp.ReadLimitBody(c.in, limit)
}

func (c *probeConn) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// isOurs reports whether an error is for want of something that this process or host has run out of.
func isOurs(err error) bool {
	for _, ours := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL, // no port is left for a connection to this address
	} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}
