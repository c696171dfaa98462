package testnode

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault takes the place of the node's answer to one request. The body has been
// read and recorded when it is called.
type Fault func(n *Node, w http.ResponseWriter, r *http.Request)

// script is what a node does with the next requests that are not probes.
type script struct {
	mu     sync.Mutex
	delay  time.Duration
	next   []Fault // one a request, first in first out; beats always
	always Fault   // nil = the plain answer
	frozen chan struct{}
	models inventory
}

// SetDelay makes the node wait this long before whatever it does with a request
// that is no probe. A client that leaves ends the wait.
func (n *Node) SetDelay(d time.Duration) {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	n.script.delay = d
}

// Next lets the fault have each of the next count requests that are no probes,
// after those queued by earlier calls.
func (n *Node) Next(count int, f Fault) {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	n.script.next = append(n.script.next, slices.Repeat([]Fault{f}, count)...)
}

// Always lets the fault have every request that is no probe and that no Next
// claims. Nil is the plain answer again.
func (n *Node) Always(f Fault) {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	n.script.always = f
}

// Heal forgets every fault, queued or standing, and the delay. It does not let
// go what hangs already.
func (n *Node) Heal() {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	n.script.delay, n.script.next, n.script.always = 0, nil, nil
}

// FailNext answers the next count requests with the status and a protocol error.
func (n *Node) FailNext(count, status int) { n.Next(count, Status(status)) }

// FailAlways answers every request with the status, until Heal.
func (n *Node) FailAlways(status int) { n.Always(Status(status)) }

// ResetConnections answers every request with a TCP reset, until Heal.
func (n *Node) ResetConnections() { n.Always(Reset) }

// Handle answers every request that is no probe by the given handler, until
// Heal. The request's body can be read again.
func (n *Node) Handle(h http.HandlerFunc) {
	n.Always(func(_ *Node, w http.ResponseWriter, r *http.Request) { h(w, r) })
}

// Hang holds every request that is no probe until release is called, the client
// leaves or the test ends; what was held is then answered plainly. Requests
// that arrive after release are not held. Release may be called more than once.
func (n *Node) Hang() (release func()) {
	released := make(chan struct{})
	var once sync.Once
	n.Always(func(n *Node, w http.ResponseWriter, r *http.Request) {
		if n.wait(r, released) {
			n.answer(w, r)
			return
		}
		// Over the hop a request's time may be up here before its client has heard of it: as a node of ours says it.
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	return func() { once.Do(func() { close(released) }) }
}

// Freeze holds everything, probes too, as a stopped process would while the
// kernel still accepts its connections. Thaw as with Hang.
func (n *Node) Freeze() (thaw func()) {
	frozen := make(chan struct{})
	n.script.mu.Lock()
	n.script.frozen = frozen
	n.script.mu.Unlock()
	var once sync.Once
	return func() { once.Do(func() { close(frozen) }) }
}

// take decides what happens to one request.
func (s *script) take() (time.Duration, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) > 0 {
		fault := s.next[0]
		s.next = s.next[1:]
		return s.delay, fault
	}
	return s.delay, s.always
}

func (s *script) ice() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}
