package testnode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"ganglion/internal/hop"
)

// hops are the hop connections of a node.
type hops struct {
	mu      sync.Mutex
	speaks  bool
	drained context.Context // of connections made from now on; ends at DrainHops
	drain   context.CancelFunc
	open    map[*hopConn]*hop.Server
	agreed  int64
	load    hop.Load
	model   hop.Load
	decline func(req *hop.Request) (l hop.Load, declines bool)
}

// SpeakHop decides whether the node agrees to upgrades from now on. A node starts out as a plain HTTP/1.1 server.
func (n *Node) SpeakHop(speaks bool) {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	n.hops.speaks = speaks
}

// Hops counts the upgrades that the node has agreed to.
func (n *Node) Hops() int64 {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	return n.hops.agreed
}

// SetLoad is what the node says of itself with every answer over the hop.
func (n *Node) SetLoad(l hop.Load) {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	n.hops.load = l
}

// SetModelLoad is what the node says, with every answer over the hop, of the model that answered.
func (n *Node) SetModelLoad(l hop.Load) {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	n.hops.model = l
}

// Decline decides, until it is called again, whether the node declines a request that comes over the hop with a condition, and what it
// says that it holds. Any number of requests are asked about at once. nil = it takes them all, as a node does from the start.
func (n *Node) Decline(decide func(req *hop.Request) (l hop.Load, declines bool)) {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	n.hops.decline = decide
}

// Tell tells each client that wants to hear it the node's load, unless it knows it or has just been told another.
func (n *Node) Tell(l hop.Load) {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	for _, s := range n.hops.open {
		s.Tell(l)
	}
}

// declined reports whether the node declines the request, and says so in its answer.
func (n *Node) declined(req *hop.Request, resp *hop.Response) bool {
	n.hops.mu.Lock()
	decide := n.hops.decline
	n.hops.mu.Unlock()
	if decide == nil || req.Most == 0 && req.Within == 0 {
		return false
	}
	resp.Node, resp.Declined = decide(req)
	return resp.Declined
}

// DrainHops tells every client that its hop connection takes no new exchanges. What is open is answered.
func (n *Node) DrainHops() {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	if n.hops.drain != nil {
		n.hops.drain()
		n.hops.drained, n.hops.drain = nil, nil
	}
}

// CutHops resets every hop connection.
func (n *Node) CutHops() {
	n.eachHop(func(c *hopConn) {
		// They fail on connections that are over, which is what we want.
		_ = c.TCPConn.SetLinger(0)
		_ = c.Close()
	})
}

// CorruptHops flips a bit of the next bytes that each hop connection writes.
func (n *Node) CorruptHops() { n.eachHop(func(c *hopConn) { c.set(func() { c.corrupt = true }) }) }

// StallHops makes the hop connections that are open neither read nor write, as a host whose network is gone does, until
// they are over. What they have read already is worked on.
func (n *Node) StallHops() { n.eachHop(func(c *hopConn) { c.set(func() { c.stalled = true }) }) }

func (n *Node) eachHop(f func(*hopConn)) {
	n.hops.mu.Lock()
	defer n.hops.mu.Unlock()
	for c := range n.hops.open {
		f(c)
	}
}

// hopConn is the socket of a hop connection, with its faults.
type hopConn struct {
	*net.TCPConn
	gone chan struct{} // closed with the connection
	once sync.Once

	mu      sync.Mutex
	corrupt bool
	stalled bool
}

func (c *hopConn) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// Close ends a stall, too.
func (c *hopConn) Close() error {
	c.once.Do(func() { close(c.gone) })
	return c.TCPConn.Close()
}

// wait holds a stalled connection until it is closed or its patience is over.
func (c *hopConn) wait() error {
	var stalled bool
	c.set(func() { stalled = c.stalled })
	if !stalled {
		return nil
	}
	select {
	case <-c.gone:
	case <-time.After(stallMost):
	}
	return errors.New("testnode: the connection was stalled")
}

// stallMost ends a stall at last: the peer has given up long before, and the node has to stop some day.
const stallMost = 5 * time.Second

// Read reads what the client sends.
func (c *hopConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if stall := c.wait(); stall != nil {
		return 0, stall
	}
	return n, err
}

// Write writes to the client.
func (c *hopConn) Write(p []byte) (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	var corrupt bool
	c.set(func() { corrupt, c.corrupt = c.corrupt, false })
	if corrupt {
		p = bytes.Clone(p)
		p[len(p)/2] ^= 0x10
	}
	return c.TCPConn.Write(p)
}

// upgraded answers a request for the hop, and serves the connection. It reports false when the node does not speak it.
func (n *Node) upgraded(w http.ResponseWriter, r *http.Request) bool {
	token, asked := hop.Negotiate([]byte(r.Header.Get("Upgrade")))
	if !asked {
		return false
	}
	n.hops.mu.Lock()
	ctx := n.hops.join(n.ended)
	n.hops.mu.Unlock()
	if ctx == nil {
		return false
	}
	raw, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(fmt.Sprintf("BUG: testnode cannot take over the connection: %v", err))
	}
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		panic("BUG: testnode listens on TCP")
	}
	c := &hopConn{TCPConn: tcp, gone: make(chan struct{})}
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", token)
	cfg := hop.DefaultConfig()
	cfg.Conditions = true
	server, err := hop.NewServer(func(ctx context.Context, req *hop.Request, resp *hop.Response) {
		if !n.declined(req, resp) {
			n.handleHop(ctx, c, req, resp)
		}
	}, cfg, nil)
	if err != nil {
		panic(fmt.Sprintf("BUG: testnode cannot make a hop server: %v", err))
	}
	n.hops.add(c, server)
	defer n.hops.remove(c)
	_ = server.Serve(ctx, c) // how it ends is for the client to notice
	return true
}

// join returns the context of a new connection, nil if the node does not speak the hop.
func (h *hops) join(ended context.Context) context.Context {
	if !h.speaks {
		return nil
	}
	if h.drained == nil {
		h.drained, h.drain = context.WithCancel(ended)
	}
	h.agreed++
	return h.drained
}

func (h *hops) add(c *hopConn, s *hop.Server) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = make(map[*hopConn]*hop.Server)
	}
	h.open[c] = s
}

func (h *hops) remove(c *hopConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, c)
}

// handleHop answers one exchange as the HTTP server would.
func (n *Node) handleHop(ctx context.Context, c *hopConn, req *hop.Request, resp *hop.Response) {
	r, err := http.NewRequestWithContext(ctx, req.Method.String(), n.URL()+string(req.Path), bytes.NewReader(req.Body))
	if err != nil {
		panic(fmt.Sprintf("BUG: testnode cannot make a request: %v", err))
	}
	r.RequestURI = string(req.Path)
	set := func(name string, value []byte) {
		if len(value) > 0 {
			r.Header.Add(name, string(value))
		}
	}
	for _, h := range req.Headers {
		set(string(h.Name), h.Value)
	}
	set("Content-Type", req.ContentType)
	set("X-Request-Id", req.RequestID)
	set("Tracestate", req.TraceState)
	if req.Trace.Valid() {
		set("Traceparent", req.Trace.AppendTraceparent(nil))
	}
	if req.InferenceHeaderLength >= 0 {
		set("Inference-Header-Content-Length", strconv.AppendInt(nil, int64(req.InferenceHeaderLength), 10))
	}
	w := &hopWriter{conn: c, header: http.Header{}, status: http.StatusOK}
	n.handle(w, r)
	w.copyTo(resp)
	n.hops.mu.Lock()
	resp.Node, resp.Model = n.hops.load, n.hops.model
	n.hops.mu.Unlock()
}

// hopWriter collects an answer. Taking it over takes over the whole hop connection: a fault that breaks its connection breaks
// the exchanges of others with it, and one that writes nonsense writes no frames.
type hopWriter struct {
	conn   *hopConn
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter, as do Write and WriteHeader.
func (w *hopWriter) Header() http.Header         { return w.header }
func (w *hopWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
func (w *hopWriter) WriteHeader(status int)      { w.status = status }

// Hijack implements http.Hijacker.
func (w *hopWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.conn.TCPConn, nil, nil }

func (w *hopWriter) copyTo(resp *hop.Response) {
	resp.Status = w.status
	resp.InferenceHeaderLength = hop.NoHeaderLength
	for name, values := range w.header {
		for _, value := range values {
			switch name {
			case "Content-Type":
				resp.ContentType = []byte(value)
			case "Content-Length": // framed by the hop
			case "Inference-Header-Content-Length":
				resp.InferenceHeaderLength, _ = strconv.Atoi(value)
			default:
				resp.Headers = append(resp.Headers, hop.Header{Name: []byte(name), Value: []byte(value)})
			}
		}
	}
	resp.Body = append(resp.Body[:0], w.body.Bytes()...)
}
