package hop

import (
	"io"
	"sync/atomic"
)

// Exchange is one request and its response on the client's side. It may be used again and again, on any connection, by one
// goroutine at a time; its memory is reused. The zero value is ready.
type Exchange struct {
	Request  Request  // filled in by the caller
	Response Response // filled in by Do
	// Streamed makes Do return as soon as the response's head is there. The body is then read with Read, at the caller's
	// pace and in no more memory than the connection's window, and the exchange must be ended with Close. Response.Body is
	// then of no meaning.
	Streamed bool
	// Patient keeps the exchange with a node that gives no sign of life, until its deadline or the end of the connection: there
	// is nobody else who could answer it.
	Patient bool

	active   atomic.Pointer[Conn] // the connection that it is open on
	canceled atomic.Bool
	head     []byte // what Response's slices alias
	st       stream
	body     *Conn // streamed: the connection that the body comes from, between Do and Close
}

// Reset readies x for another request: it forgets a Cancel and empties Request and Response, keeping their memory. Not while
// Do runs or a streamed body is open.
func (x *Exchange) Reset() {
	x.canceled.Store(false)
	x.Request.Reset()
	x.Response.Reset()
	x.Streamed, x.Patient = false, false
}

// Cancel ends the exchange that runs, or the next one if none does, until Reset: Do returns an Error with CodeCanceled, and the
// node is told. It may be called from any goroutine and more than once, but not after x has been handed to another use.
func (x *Exchange) Cancel() {
	x.canceled.Store(true)
	if c := x.active.Load(); c != nil {
		c.cancel(x)
	}
}

// Read reads the body of a streamed response. It waits for bytes if there are none, and returns io.EOF after the last one or an
// *Error. The request's deadline and Cancel hold until the last byte has come.
func (x *Exchange) Read(p []byte) (int, error) {
	if x.body == nil {
		return 0, io.ErrClosedPipe
	}
	return x.body.readBody(x, p)
}

// Close ends a streamed exchange. What has not been read of the body is given up, and the node told so. It returns nil.
func (x *Exchange) Close() error {
	if x.body != nil {
		x.body.closeBody(x)
		x.body = nil
	}
	return nil
}
