package hop

import (
	"errors"
	"fmt"
)

// Code says how an exchange failed.
type Code uint8

// The codes. What a caller does about each is its own affair; Error.Begun says what it may.
const (
	CodeCanceled Code = 1 + iota // Exchange.Cancel was called
	CodeDeadline                 // the request's deadline has passed, here or at the node
	CodeBusy                     // this connection has no room for another exchange now
	CodeRefused                  // the node has no room: too many streams, or no memory for the body
	CodeDraining                 // the connection takes no new exchanges: the node said goaway, or Run is ending
	CodeBroken                   // the connection is gone
	CodeTooLarge                 // the request's or the response's body is over a limit
	CodeInvalid                  // the request cannot be carried: a head that is too long or holds what HTTP forbids
	CodeFailed                   // the node's handler gave up on it: a panic, or an answer that cannot be sent
	CodeStalled                  // a body made no progress for too long
	CodeNoMemory                 // Config.Budget has no room for the response's body
	CodeSuspect                  // the node gives no sign of life; it may answer others later
	CodeDeclined                 // the request's condition does not hold: see Request.Most and Request.Within
)

// String returns the code in words.
func (c Code) String() string {
	names := [...]string{
		"unknown", "canceled", "deadline exceeded", "connection is full", "refused by the node", "connection is draining",
		"connection is broken", "body too large", "invalid message", "failed at the node", "stalled",
		"no memory", "node gives no sign of life", "declined by the node, which holds more",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return names[0]
}

// Error is why an exchange has no answer. Do returns no other type.
type Error struct {
	Code Code
	// Begun says that the node may have begun to work on the request. When it is false the node has not and will not, so
	// that sending the request elsewhere cannot make it run twice.
	Begun  bool
	Detail string // what the peer or the limit says, may be empty
	Cause  error  // what broke the connection, may be nil
	// Load is, with CodeDeclined, what the node holds, and Own how many of its requests came by this connection.
	Load Load
	Own  uint32
}

// Error says what happened and whether it may be repeated.
func (e *Error) Error() string {
	text := "hop: " + e.Code.String()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	if e.Begun {
		text += " (the node may have begun)"
	}
	return text
}

// Unwrap returns what broke the connection.
func (e *Error) Unwrap() error { return e.Cause }

// Why a connection ended, besides the errors of the network and ProtocolError.
var (
	// ErrClosed is a connection that was closed here.
	ErrClosed = errors.New("connection was closed")
	// ErrHung is a peer that sent nothing, not even the answer to a ping.
	ErrHung = errors.New("peer does not answer pings")
	// ErrNotReading is a peer that does not read what it asks for, or not within Config.WriteTimeout.
	ErrNotReading = errors.New("peer does not read")
	// ErrPeerGone is a peer that closed its side while exchanges were open or without a goaway.
	ErrPeerGone = errors.New("peer closed the connection")
)

// ProtocolError is a peer that broke the rules of docs/hop.md; it was told so in a goaway.
type ProtocolError struct{ Detail string }

// Error says which rule.
func (e *ProtocolError) Error() string { return "peer broke the hop protocol: " + e.Detail }

func violation(format string, args ...any) error {
	return &ProtocolError{Detail: fmt.Sprintf(format, args...)}
}

// GoawayError is a peer that ended the connection and gave a reason other than a drain.
type GoawayError struct {
	Reason Reason
	Text   string
}

// Error gives the peer's reason.
func (e *GoawayError) Error() string {
	return fmt.Sprintf("peer ended the connection: %v: %q", e.Reason, e.Text)
}

// codeOf is what a cancel from the server means for the exchange.
func codeOf(r Reason) Code {
	switch r {
	case ReasonDeadline:
		return CodeDeadline
	case ReasonRefused, ReasonMemory:
		return CodeRefused
	case ReasonTooLarge:
		return CodeTooLarge
	case ReasonInvalid:
		return CodeInvalid
	case ReasonStalled:
		return CodeStalled
	default:
		return CodeFailed
	}
}
