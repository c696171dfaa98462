package oip

import (
	"fmt"
	"strconv"
)

// Code says whose fault an error is and what a caller may do about it. It decides the HTTP status.
type Code uint8

// The codes, in the order of their HTTP status.
const (
	Unknown           Code = iota // 500; the zero value, so that a forgotten code never blames the client
	InvalidArgument               // 400: the request is wrong and will be wrong again
	NotFound                      // 404: no such model, version or path
	TooLarge                      // 413: over a limit of ours
	ResourceExhausted             // 429: the caller is over its share
	Internal                      // 500: our fault
	Unsupported                   // 501: the protocol has it, we do not
	Unavailable                   // 503: not now; try again
	DeadlineExceeded              // 504: the time the request was given ran out
)

// HTTPStatus returns the status an answer with this code carries.
func (c Code) HTTPStatus() int {
	switch c {
	case InvalidArgument:
		return 400
	case NotFound:
		return 404
	case TooLarge:
		return 413
	case ResourceExhausted:
		return 429
	case Unsupported:
		return 501
	case Unavailable:
		return 503
	case DeadlineExceeded:
		return 504
	default:
		return 500
	}
}

// String returns the code in words.
func (c Code) String() string {
	switch c {
	case InvalidArgument:
		return "invalid argument"
	case NotFound:
		return "not found"
	case TooLarge:
		return "too large"
	case ResourceExhausted:
		return "resource exhausted"
	case Internal:
		return "internal"
	case Unsupported:
		return "unsupported"
	case Unavailable:
		return "unavailable"
	case DeadlineExceeded:
		return "deadline exceeded"
	default:
		return "unknown"
	}
}

// Error is an error meant for the client: its text may be sent as it is. Find it with errors.As.
type Error struct {
	Code    Code
	Msg     string
	Refusal Refusal // "" = the error is about the node, or the request was wrong
}

// Error returns the text for the client.
func (e *Error) Error() string { return e.Msg }

// Errorf makes an Error. It does not wrap: what a client reads never depends on a cause it cannot see.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// invalid is the refusal this package gives most.
func invalid(format string, args ...any) error { return Errorf(InvalidArgument, format, args...) }

// quotedLimit bounds how much of a client's own text an error repeats: enough to recognise it, not enough to make the
// answer, or a log line, as large as the request.
const quotedLimit = 64

// quoted returns s for use in a message: in quotes, escaped, shortened.
func quoted[T ~string | ~[]byte](s T) string { return strconv.Quote(shortened(s)) }

// shortened returns s with no more of it than an error repeats.
func shortened[T ~string | ~[]byte](s T) string {
	if len(s) > quotedLimit {
		return string(s[:quotedLimit]) + "…"
	}
	return string(s)
}
