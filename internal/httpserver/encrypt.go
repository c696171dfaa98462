package httpserver

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/valyala/fasthttp"
)

// Encrypt has every connection speak TLS as cfg says, which names http/1.1 as the one protocol. Call it before Run.
//
// What this server does with sockets goes on below TLS: deadlines, waiting for the next request in little memory, and the
// look whether a client has left. Only reading and writing take the way of the net package.
func (s *Server) Encrypt(cfg *tls.Config) { s.tls = cfg }

// Encrypted reports whether the client of ctx speaks TLS. RequestCtx.IsTLS does not know.
func Encrypted(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*conn)
	return ok && c.tls != nil
}

// read is Read below the deadlines.
func (c *conn) read(p []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Read(p)
	}
	return c.direct.readFrom(c.TCPConn, p)
}

// write is Write below the deadlines.
func (c *conn) write(p []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Write(p)
	}
	return c.direct.writeTo(c.TCPConn, p)
}

// below is the connection that bytes are read from and written to: TLS, or the socket.
func (c *conn) below() net.Conn {
	if c.tls != nil {
		return c.tls
	}
	return c.TCPConn
}

// handshake begins TLS where it is spoken, within the time that headers have. An error is the end of the connection.
func (c *conn) handshake() error {
	if c.tls == nil || c.tls.ConnectionState().HandshakeComplete {
		return nil
	}
	if err := c.SetDeadline(time.Now().Add(c.server.cfg.ReadTimeout)); err != nil {
		return err
	}
	err := c.tls.Handshake()
	if err == nil {
		c.restartClock()
		return nil
	}
	// A client whose certificate is refused may have sent its request with it: it is to read why before it is reset.
	c.linger = !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF)
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && beginsHTTP(plain.RecordHeader[:]) {
		c.refusePlain()
	}
	return err
}

// beginsHTTP reports whether the first five bytes of a connection are those of a request without TLS.
func beginsHTTP(first []byte) bool {
	for _, method := range []string{"GET /", "POST ", "HEAD ", "PUT /", "OPTIO", "DELET", "PATCH", "QUERY"} {
		if bytes.Equal(first, []byte(method)) {
			return true
		}
	}
	return false
}

// refusePlain tells a client that it lacks TLS, in the words of its own protocol.
func (c *conn) refusePlain() {
	c.tls = nil
	_, err := fmt.Fprint(c.TCPConn, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"+
		`{"error":"this port speaks TLS: use https"}`)
	c.linger = err == nil
}

// lastLookTLS is lastLook where a request is not to be had without TLS: a record that has arrived is read well within the
// time, on a machine that is not stalled.
func (c *conn) lastLookTLS(p []byte) (int, error) {
	const look = 10 * time.Millisecond
	if err := c.SetReadDeadline(time.Now().Add(look)); err != nil {
		return 0, err
	}
	n, err := c.tls.Read(p)
	if n == 0 || err != nil {
		return 0, io.EOF
	}
	return n, nil
}
