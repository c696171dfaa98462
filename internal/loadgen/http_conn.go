package loadgen

import (
	"bufio"
	"crypto/tls"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// httpConn is one client's connection, made when it is first needed and again after an error. fasthttp's own client is not
// used because its connections are tended by a goroutine that nobody can stop.
type httpConn struct {
	address string
	tls     bool
	timeout time.Duration

	conn net.Conn // nil = none
	in   *bufio.Reader
	out  *bufio.Writer
}

// do sends a request and reads the answer.
func (c *httpConn) do(req *fasthttp.Request, resp *fasthttp.Response) error {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return err
		}
	}
	err := c.conn.SetDeadline(time.Now().Add(c.timeout))
	if err == nil {
		err = req.Write(c.out)
	}
	if err == nil {
		err = c.out.Flush()
	}
	if err == nil {
		err = resp.Read(c.in)
	}
	if err != nil || resp.ConnectionClose() {
		c.drop()
	}
	return err
}

func (c *httpConn) dial() (err error) {
	dialer := &net.Dialer{Timeout: c.timeout}
	if c.tls {
		c.conn, err = tls.DialWithDialer(dialer, "tcp", c.address, &tls.Config{MinVersion: tls.VersionTLS12})
	} else {
		c.conn, err = dialer.Dial("tcp", c.address)
	}
	if err != nil {
		c.conn = nil // tls gives a nil of its own type
		return err
	}
	c.in, c.out = bufio.NewReader(c.conn), bufio.NewWriter(c.conn)
	return nil
}

// drop closes the connection, if there is one.
func (c *httpConn) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}
