package backend

import (
	"ganglion/internal/conf"
	"ganglion/internal/memory"
	"ganglion/internal/oip"
)

// memoryBound bounds what all requests in flight hold of one kind of memory. A request of a few kilobytes can be decoded
// and padded to a megabyte and then wait for others that run, or have an answer of many megabytes and then read it
// slowly: without a bound a few thousand clients would take all the memory there is.
type memoryBound struct {
	of string // what is bounded, for messages
	memory.Account
}

// take accounts for bytes that a request is about to hold, or holds since a moment.
func (m *memoryBound) take(bytes int64) error {
	if !m.Reserve(bytes) {
		return oip.Refusef(oip.Full, "%s take more than %s; try again", m.of, conf.Size(m.Limit))
	}
	return nil
}

// hold takes bytes for x, which gives them back when it ends.
func (s *Server) hold(x *inference, bytes int64) error {
	err := s.tensors.take(bytes)
	if err == nil {
		x.held += bytes
	}
	return err
}

// answerHeld is the user value that gives an answer's bytes back: fasthttp closes it when the answer has been written or
// its connection is gone.
type answerHeld struct {
	bound *memoryBound
	bytes int64
}

// Close gives the bytes back.
func (h *answerHeld) Close() error {
	h.bound.Release(h.bytes)
	return nil
}

// holdAnswer takes the bytes of the answer until the client has read it. Small ones are not counted: what a connection
// keeps for them anyway is bounded by the number of connections.
func (s *Server) holdAnswer(x *exchange) error {
	size := int64(len(x.answer))
	if size <= keepBytes {
		return nil
	}
	err := s.answers.take(size)
	if err == nil {
		x.owed = size
	}
	return err
}
