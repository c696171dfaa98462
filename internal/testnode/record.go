package testnode

import (
	"net/http"
	"sync"
)

// Request is one recorded request that was no probe. It belongs to the caller.
type Request struct {
	Method string
	Path   string // as sent, with the query
	Host   string
	Header http.Header
	Body   []byte
}

type record struct {
	mu   sync.Mutex
	seen []Request
}

// Requests counts the requests that reached the node with their whole body,
// probes not included, whatever became of them.
func (n *Node) Requests() int64 {
	n.record.mu.Lock()
	defer n.record.mu.Unlock()
	return int64(len(n.record.seen))
}

// Probes counts the requests for readiness and liveness.
func (n *Node) Probes() int64 { return n.probes.Load() }

// Gone counts the requests whose client left before it had an answer: during
// its own body, a delay, a Hang or a Freeze.
func (n *Node) Gone() int64 { return n.gone.Load() }

// Last is the newest request, or the zero Request when none came yet.
func (n *Node) Last() Request {
	n.record.mu.Lock()
	defer n.record.mu.Unlock()
	if len(n.record.seen) == 0 {
		return Request{}
	}
	return n.record.seen[len(n.record.seen)-1]
}

func (rec *record) add(r *http.Request, body []byte) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.seen = append(rec.seen, Request{
		Method: r.Method, Path: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Body: body,
	})
}
