package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/conf"
	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// h1 is the transport to any HTTP/1.1 server: one exchange at a time on each of several keep-alive connections.
type h1 struct {
	conns *conns
	vigil *vigil // nil = nobody watches
	host  []byte // the Host line and the end of the headers
	stale atomic.Uint64
}

// newH1 makes the transport to the node that via connects to. dialed is called for every connection made; answers is the memory for large answers
// of all nodes.
func newH1(via dialer, cfg UpstreamConfig, answers hop.Budget, dialed func()) *h1 {
	return &h1{conns: newConns(via, cfg, answers, dialed), host: []byte("Host: " + via.address + "\r\n\r\n")}
}

// roundTrip is transport's.
//
// A kept connection may have been closed by the node while the request was on its way: keep-alive has no way to agree
// on who hangs up. Such a request is sent once more, on a fresh connection to the same node, since the node has done
// nothing wrong; what happens on that connection then counts.
func (t *h1) roundTrip(out *outbound, resp *fasthttp.Response) error {
	if t.vigil != nil {
		if !t.vigil.enter(out.patient) {
			out.end = time.Now()
			return t.vigil.errMute(errSilent, true)
		}
		defer t.vigil.leave()
	}
	c, err := t.conns.acquire(out)
	if err != nil {
		out.end = time.Now()
		return err
	}
	defer func() { // also when a panic passes through
		out.end = time.Now()
		t.conns.giveBack(c, out.end)
	}()
	err = c.exchange(out, t.host, resp, int(t.conns.cfg.MaxAnswer))
	if err != nil && c.used && hungUp(err) {
		t.stale.Add(1)
		if c, err = t.refresh(c, out); err != nil {
			return err
		}
		err = c.exchange(out, t.host, resp, int(t.conns.cfg.MaxAnswer))
	}
	if err != nil && c.mute.Load() && !errors.Is(err, errLeft) {
		c.usable = false
		return t.vigil.errMute(err, false)
	}
	return err
}

// refresh puts a fresh connection in the place of a stale one; nil when that fails.
func (t *h1) refresh(stale *conn, out *outbound) (*conn, error) {
	t.conns.drop(stale)
	// What has been idle for longer is no better: without this, each of them would cost a request its detour.
	t.conns.closeIdle(stale.idleSince)
	return t.conns.dial(out, time.Now())
}

// hungUp reports whether the connection ended before the first byte of an answer.
func hungUp(err error) bool {
	var te *transportError
	return errors.As(err, &te) && (te.phase == sending || te.phase == waiting) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// sweepEvery is how often idle connections are looked at, as a part of their idle time.
const sweepEvery = 2

// sweep closes connections that have been idle for too long, until ctx ends; then it closes all.
func (t *h1) sweep(ctx context.Context) {
	idle := t.conns.cfg.IdleTimeout
	tick := time.NewTicker(max(idle/sweepEvery, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.conns.closeIdle(now.Add(-idle))
		case <-ctx.Done():
			t.conns.close()
			return
		}
	}
}

// stats is transport's.
func (t *h1) stats() transportStats {
	busy, idle := t.conns.counts()
	return transportStats{name: "http/1.1", busy: busy, idle: idle, dials: t.conns.dialed.Load(), stale: t.stale.Load()}
}

// exchange sends out and reads the answer into resp. It leaves c.usable to say whether c may carry another one.
func (c *conn) exchange(out *outbound, host []byte, resp *fasthttp.Response, maxAnswer int) error {
	c.usable = false
	c.held, c.received = &out.answer, 0
	if c.used && c.spoke() {
		return &transportError{phase: waiting, err: errUnasked}
	}
	c.SetDeadline(out.deadline)
	if !out.board(c) {
		return errLeft
	}
	err := c.converse(out, host, resp, maxAnswer)
	if out.alight() {
		c.usable = false // it has a deadline that has passed
		return errLeft
	}
	return err
}

// converse is exchange but for the client that may leave.
func (c *conn) converse(out *outbound, host []byte, resp *fasthttp.Response, maxAnswer int) error {
	sent := c.send(out, host)
	if sent != nil {
		if errors.Is(sent, os.ErrDeadlineExceeded) {
			return &transportError{phase: sending, err: sent}
		}
		// A node that refuses a body may answer, and hang up, before it has read all of it: look for that answer.
		c.SetReadDeadline(time.Now().Add(earlyAnswerWait))
	}
	if _, err := c.in.Peek(1); err != nil {
		if sent != nil {
			return &transportError{phase: sending, err: sent}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return &transportError{phase: silent, err: err}
		}
		return &transportError{phase: waiting, err: err}
	}
	if err := c.receive(out, resp, maxAnswer); err != nil {
		return err
	}
	c.usable = c.usable && sent == nil
	return nil
}

// earlyAnswerWait bounds the wait for an answer after sending has failed. The answer, if there is one, left the node
// before its reset did, so that it is here already or about to be.
const earlyAnswerWait = 20 * time.Millisecond

// copyBelow is the size up to which a body is copied behind its header, so that both leave in one plain write. Beyond
// it the two pieces go out by writev, which costs more to set up than copying a few kilobytes.
const copyBelow = 16 << 10

// keepBelow bounds the buffer that a connection keeps between exchanges: a header and a body that was copied.
const keepBelow = 32 << 10

func (c *conn) send(out *outbound, host []byte) error {
	b := append(c.out[:0], out.method...)
	b = append(b, ' ')
	b = append(b, out.target...)
	b = append(b, " HTTP/1.1\r\n"...)
	for i := range out.headers {
		b = appendLine(b, out.headers[i].Name, out.headers[i].Value)
	}
	b = append(b, oip.TimeoutName+": "...)
	b = oip.AppendTimeout(b, time.Until(out.deadline))
	b = append(b, "\r\n"...)
	if len(out.body) > 0 || string(out.method) == fasthttp.MethodPost {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(out.body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, host...)
	if len(out.body) <= copyBelow {
		b = append(b, out.body...)
		_, err := c.Write(b)
		c.keep(b)
		return err
	}
	c.pieces = [2][]byte{b, out.body}
	c.vector = c.pieces[:]
	_, err := c.vector.WriteTo(c.Conn)
	c.pieces, c.vector = [2][]byte{}, nil // the body belongs to the exchange
	c.keep(b)
	return err
}

func (c *conn) keep(b []byte) {
	if cap(b) <= keepBelow {
		c.out = b
	}
}

// receive reads an answer whose first byte has arrived.
func (c *conn) receive(out *outbound, resp *fasthttp.Response, maxAnswer int) error {
	head, _ := c.in.Peek(c.in.Buffered())
	if !beginsAnswer(head) {
		return &transportError{phase: receiving, err: errors.New("what the node sent is no HTTP/1 answer")}
	}
	whole, doubt, err := inspectHead(head)
	if err != nil {
		return &transportError{phase: receiving, err: err}
	}
	resp.SkipBody = out.bodiless()
	if err := resp.ReadLimitBody(c.in, maxAnswer); err != nil {
		return receiveError(err, maxAnswer)
	}
	if c.used && resp.StatusCode() == fasthttp.StatusRequestTimeout && resp.ConnectionClose() {
		// Some servers say goodbye to an idle connection with a 408 that answers no request.
		return &transportError{phase: waiting, err: errors.New("the node closed the idle connection with a 408")}
	}
	// Bytes that nobody asked for would be read as the next exchange's answer.
	doubt = doubt || (!whole && resp.Header.ContentLength() < 0)
	// 101 is the only one below that comes here: what follows it is no HTTP, or the answer to this very request.
	doubt = doubt || resp.StatusCode() < fasthttp.StatusOK
	c.usable = !doubt && !resp.ConnectionClose() && c.in.Buffered() == 0
	return nil
}

// statusLine is what every answer begins with.
const statusLine = "HTTP/1."

// beginsAnswer reports whether the first bytes that came may be those of an answer. Who sends anything else may well never
// send the line's end that the parser would wait for, and would hold the exchange until its time is up.
func beginsAnswer(head []byte) bool {
	n := min(len(head), len(statusLine))
	return string(head[:n]) == statusLine[:n]
}

// receiveError says in our words what kept an answer from being read: fasthttp's do not name the setting, or quote the
// answer.
func receiveError(err error, maxAnswer int) error {
	var headers *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool } // fasthttp has an error of its own for some of them
	switch {
	case errors.Is(err, errAnswerMemory):
		return errAnswerMemory
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return fmt.Errorf("%w (%s)", errAnswerTooLarge, conf.Size(maxAnswer))
	case errors.As(err, &headers):
		return errHeadersTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return &transportError{phase: unfinished, err: os.ErrDeadlineExceeded}
	}
	return &transportError{phase: receiving, err: err}
}

// inspectHead looks for heads that leave room for two opinions about where the body ends: Transfer-Encoding beside
// Content-Length. The answer itself is read as HTTP demands, but the connection is not used again. whole is false when
// the head is not here in one piece, so that there was no telling.
//
// A line that ends without CR is an error at once: fasthttp would wait for the CR until the exchange's time is up.
//
// So is a status of 0 and something, which fasthttp takes for 200 if it is 000.
func inspectHead(head []byte) (whole, doubt bool, err error) {
	var length, encoding bool
	if _, status, _ := bytes.Cut(head, []byte{' '}); len(status) > 0 && status[0] == '0' {
		return false, false, errBadStatus
	}
	for {
		end := bytes.IndexByte(head, '\n')
		if end < 0 {
			return false, length && encoding, nil
		}
		if end == 0 || head[end-1] != '\r' {
			return false, false, errBareLF
		}
		head = head[end+1:]
		if len(head) > 0 && head[0] == '\r' {
			return true, length && encoding, nil
		}
		length = length || hasFold(head, "content-length")
		encoding = encoding || hasFold(head, "transfer-encoding")
	}
}

// hasFold reports whether b begins with the lower-case prefix, in any case.
func hasFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && b[0]|0x20 == prefix[0] && strings.EqualFold(string(b[:len(prefix)]), prefix)
}
