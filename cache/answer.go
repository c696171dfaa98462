package cache

import (
	"slices"
	"strings"
)

// Answer is what a node answered, ready to be sent again.
type Answer struct {
	// Body is the answer's body, without the caller's id.
	Body []byte
	// ContentType is the answer's Content-Type header.
	ContentType string
	// HeaderLength is the answer's Inference-Header-Content-Length, or -1 if it had none.
	HeaderLength int
}

// entry is one stored answer. It never changes.
type entry struct {
	key    Key
	answer Answer
	cost   int64 // bytes, bookkeeping included
}

// newEntry copies the answer: its bytes belong to a request that ends.
func newEntry(k Key, a *Answer) *entry {
	e := &entry{key: k, answer: Answer{
		Body:         slices.Clone(a.Body),
		ContentType:  strings.Clone(a.ContentType),
		HeaderLength: a.HeaderLength,
	}}
	e.cost = costOf(cap(e.answer.Body), len(a.ContentType))
	return e
}
