package discovery

import (
	"context"
	"time"
)

// source is where a list comes from.
type source interface {
	// look reads the list as it is now. The error is an *Error.
	look(ctx context.Context) (found, error)
	// String is the source as people know it.
	String() string
}

// found is what a source had.
type found struct {
	nodes []Node        // in order, at least one; the receiver's
	ttl   time.Duration // how long it is good for; 0 = the source cannot tell
	// flaw is what was wrong with a part of it, nil if nothing was: the rest is good.
	flaw error
	same bool // there is nothing new; nodes is nil then

	again time.Duration // when the source wants to look again; 0 = when the list's time is up
}
