package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// peer is the other end of a connection, played by the test frame by frame.
type peer struct {
	t  testing.TB
	nc net.Conn
	r  reader
}

// newPeer plays one end of nc. Its reads and writes give up after 10 s.
func newPeer(t testing.TB, nc net.Conn) *peer {
	nc.SetDeadline(time.Now().Add(time.Minute))
	gaveUp := errors.New("nothing came within 10 s")
	p := &peer{t: t, nc: nc, r: reader{nc: nc, buf: make([]byte, readBuffer), sums: true, alarm: func() error { return gaveUp }}}
	t.Cleanup(func() { nc.Close() })
	return p
}

// write sends frames as they are.
func (p *peer) write(frames []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(frames); err != nil {
		p.t.Fatalf("peer cannot write: %v", err)
	}
}

// read returns the next frame.
func (p *peer) read() (frameHeader, []byte) {
	p.t.Helper()
	h, payload, err := p.next()
	if err != nil {
		p.t.Fatalf("peer cannot read: %v", err)
	}
	return h, payload
}

func (p *peer) next() (frameHeader, []byte, error) {
	h, err := p.r.header()
	if err != nil {
		return h, nil, err
	}
	if h.kind == kindChunk {
		payload := make([]byte, h.length)
		return h, payload, p.r.body(h, payload, nil)
	}
	payload, err := p.r.payload(h)
	return h, payload, err
}

// want reads the next frame that is no ping and fails unless it is of the given kind on the given stream.
func (p *peer) want(k kind, id uint64) (frameHeader, []byte) {
	p.t.Helper()
	for {
		h, payload := p.read()
		if h.kind == kindPing && k != kindPing {
			continue
		}
		if h.kind != k || h.id != id {
			p.t.Fatalf("peer read %v on stream %d, want %v on stream %d", h.kind, h.id, k, id)
		}
		return h, payload
	}
}

// wantEnd reads until the other side closes and returns the reason of its goaway, if one came.
func (p *peer) wantEnd() (reason Reason, text string) {
	p.t.Helper()
	reason = ReasonNone
	for {
		h, payload, err := p.next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !isReset(err) {
				p.t.Fatalf("peer read %v, want the end of the connection", err)
			}
			return reason, text
		}
		if h.kind == kindGoaway {
			_, why, what, err := parseGoaway(payload)
			if err != nil {
				p.t.Fatal(err)
			}
			reason, text = why, string(what)
		}
	}
}

// clientPeer is a server under test and a client played by the test, which has exchanged settings.
func clientPeer(t testing.TB, cfg Config, h Handler) (*peer, chan error) {
	t.Helper()
	return clientPeerReporting(t, cfg, h, func(err error) { t.Log(err) })
}

func clientPeerReporting(t testing.TB, cfg Config, h Handler, report func(error)) (*peer, chan error) {
	t.Helper()
	clientSide, serverSide := connected(t)
	server, err := NewServer(h, cfg, report)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- server.Serve(ctx, serverSide) }()
	p := newPeer(t, clientSide)
	t.Cleanup(func() { // after the peer has closed: cleanups run last in first out
		clientSide.Close()
		stop()
		await(t, end)
	})
	p.write(settingsFrame(DefaultConfig().settings()))
	p.want(kindSettings, 0)
	return p, end
}

// serverPeer is a client under test and a server played by the test, which has exchanged settings.
func serverPeer(t testing.TB, cfg Config, theirs settings) (*Conn, *peer, chan error) {
	t.Helper()
	return serverPeerObserved(t, cfg, theirs, Observer{})
}

func serverPeerObserved(t testing.TB, cfg Config, theirs settings, o Observer) (*Conn, *peer, chan error) {
	t.Helper()
	clientSide, serverSide := connected(t)
	p := newPeer(t, serverSide)
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		p.nc.Write(settingsFrame(theirs))
	}()
	c, err := Open(clientSide, cfg)
	<-opened
	if err != nil {
		t.Fatal(err)
	}
	p.want(kindSettings, 0)
	c.Observe(o)
	end := make(chan error, 1)
	go func() { end <- c.Run(context.Background()) }()
	t.Cleanup(func() {
		c.Close()
		await(t, end)
	})
	return c, p, end
}

// usual are the settings of a peer with the default configuration.
func usual() settings { return DefaultConfig().settings() }

// requestFrame is a small whole request.
func requestFrame(id uint64, body string) []byte {
	r := Request{Method: MethodPost, Path: []byte("/v2/models/m/infer"), InferenceHeaderLength: NoHeaderLength, Body: []byte(body)}
	return headFrame(kindRequest, id, flagEnd, appendRequestHead(nil, &r, 0), r.Body)
}

// requestHeadFrame announces a body of so many bytes and sends none of it.
func requestHeadFrame(id uint64, size int) []byte {
	r := Request{Method: MethodPost, Path: []byte("/v2/models/m/infer"), InferenceHeaderLength: NoHeaderLength, Body: make([]byte, size)}
	return headFrame(kindRequest, id, 0, appendRequestHead(nil, &r, 0), nil)
}

// responseFrame is a small whole response.
func responseFrame(id uint64, body string) []byte {
	r := Response{Status: 200, InferenceHeaderLength: NoHeaderLength, Body: []byte(body)}
	return headFrame(kindResponse, id, flagEnd, appendResponseHead(nil, &r), r.Body)
}

// responseHeadFrame announces a body of so many bytes and sends none of it.
func responseHeadFrame(id uint64, size int) []byte {
	r := Response{Status: 200, InferenceHeaderLength: NoHeaderLength, Body: make([]byte, size)}
	return headFrame(kindResponse, id, 0, appendResponseHead(nil, &r), nil)
}

func headFrame(k kind, id uint64, flags uint8, head, body []byte) []byte {
	return frame(k, flags, id, append(head, body...))
}

// frame is any frame with honest length and checksums.
func frame(k kind, flags uint8, id uint64, payload []byte) []byte {
	f := append(openFrame(nil), payload...)
	sealFrame(f, 0, k, flags, id)
	return f
}

// do runs an exchange in the background.
func do(c *Conn, x *Exchange) chan error {
	done := make(chan error, 1)
	go func() { done <- c.Do(x) }()
	return done
}

// within returns what comes out of ch, and fails the test if nothing does.
func within[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not happen within 30 s", what)
		panic("unreachable")
	}
}

// eventually waits for something that has no channel.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within 30 s", what)
		}
	}
}
