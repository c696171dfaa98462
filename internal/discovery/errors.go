package discovery

import (
	"errors"
	"fmt"
)

// Kind is what was in the way of a list, in a word for metrics.
type Kind uint8

// The kinds of failures.
const (
	NotFound   Kind = iota // the name does not exist, or the file does not
	Empty                  // there is no address
	Refused                // a DNS server answered that it failed, or will not
	Timeout                // no answer in time
	Network                // no way to the DNS server
	Malformed              // the answer makes no sense, or the file does not
	TooMany                // more nodes than a pool may have
	Unreadable             // the file cannot be read
	kinds
)

// Kinds are all there are, in order.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// String is the word.
func (k Kind) String() string {
	switch k {
	case NotFound:
		return "not_found"
	case Empty:
		return "empty"
	case Refused:
		return "refused"
	case Timeout:
		return "timeout"
	case Network:
		return "network"
	case Malformed:
		return "malformed"
	case TooMany:
		return "too_many"
	case Unreadable:
		return "unreadable"
	}
	panic(fmt.Sprintf("BUG: unknown kind %d of failure", uint8(k)))
}

// Error is why there is no list. Its text is the same each time that the same thing fails, so that the log has it once: no
// ports of ours, no ids, no times.
type Error struct {
	Kind Kind
	text string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

func failf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, text: fmt.Sprintf(format, args...)}
}

// kindOf is the kind of an error, which is one of ours.
func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Network
}
