package backend

import (
	"sync/atomic"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// tensorMemory bounds what the inputs of all requests that wait or run take together. A request of a few kilobytes can
// be decoded and padded to a megabyte, and then wait for others that run: without a bound a few thousand clients would
// take all the memory there is.
type tensorMemory struct {
	limit int64
	used  atomic.Int64
}

// take accounts for bytes that a request is about to hold, or has just been decoded to.
func (m *tensorMemory) take(bytes int64) error {
	if m.used.Add(bytes) > m.limit {
		m.used.Add(-bytes)
		return oip.Errorf(oip.Unavailable, "the tensors of requests in flight take more than %s; try again", conf.Size(m.limit))
	}
	return nil
}

func (m *tensorMemory) give(bytes int64) { m.used.Add(-bytes) }

// hold takes bytes for x, which gives them back when it ends.
func (s *Server) hold(x *exchange, bytes int64) error {
	err := s.tensors.take(bytes)
	if err == nil {
		x.held += bytes
	}
	return err
}
