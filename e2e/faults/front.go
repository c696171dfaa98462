//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/internal/hop"
)

// question is what a gateway asks a node, whatever carried it.
type question struct {
	method, path, contentType string
	headerLength              int
	body                      []byte
}

// infers reports whether it is an inference, and no probe.
func (q *question) infers() bool {
	return q.method == http.MethodPost && strings.HasSuffix(q.path, "/infer")
}

// reply is what a node answers.
type reply struct {
	status      int
	contentType string
	body        []byte
	load        string // as hop.LoadHeader has it
}

// answerer is what stands behind a server that the harness itself runs in the place of a node.
type answerer interface {
	answer(ctx context.Context, q *question) reply
}

// server serves HTTP and the hop in the harness's own process.
type server struct {
	address string
	http    *http.Server
	hop     *hop.Server
	behind  answerer
	plain   bool

	draining context.Context // over when the server closes
	drain    context.CancelFunc
	running  sync.WaitGroup
}

// serve starts a server on address, which runs until close. A plain one speaks no hop; idle is when it closes connections that
// nobody uses, 0 = never.
func serve(address string, behind answerer, plain bool, idle time.Duration) (*server, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &server{address: address, behind: behind, plain: plain}
	s.draining, s.drain = context.WithCancel(context.Background())
	if s.hop, err = hop.NewServer(s.exchange, hop.DefaultConfig(), nil); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.http = &http.Server{Handler: s, IdleTimeout: idle, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)} //nolint:gosec // for loopback only
	s.running.Go(func() { _ = s.http.Serve(ln) })
	return s, nil
}

// close ends everything at once.
func (s *server) close() {
	s.drain()
	_ = s.http.Close() // only the listener could fail to close
	s.running.Wait()
}

// ServeHTTP answers one request by HTTP, or makes the connection a hop.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token, ok := hop.Negotiate([]byte(r.Header.Get("Upgrade"))); ok && !s.plain {
		s.upgrade(w, token)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	q := &question{r.Method, r.RequestURI, r.Header.Get("Content-Type"), hop.NoHeaderLength, body}
	if n, err := strconv.Atoi(r.Header.Get("Inference-Header-Content-Length")); err == nil {
		q.headerLength = n
	}
	a := s.behind.answer(r.Context(), q)
	w.Header().Set("Content-Type", a.contentType)
	if a.load != "" {
		w.Header().Set(hop.LoadHeader, a.load)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the gateway may be gone
}

func (s *server) upgrade(w http.ResponseWriter, token string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	s.running.Add(1) // while the handler runs, close has not returned
	defer s.running.Done()
	stop := context.AfterFunc(s.draining, func() { reset(conn) })
	defer stop()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", token)
	_ = s.hop.Serve(context.Background(), conn) // how it ends is for the gateway to notice
}

// exchange answers one request by the hop.
func (s *server) exchange(ctx context.Context, req *hop.Request, resp *hop.Response) {
	a := s.behind.answer(ctx, &question{req.Method.String(), string(req.Path), string(req.ContentType), req.InferenceHeaderLength, req.Body})
	resp.Status, resp.ContentType, resp.InferenceHeaderLength = a.status, []byte(a.contentType), hop.NoHeaderLength
	resp.Node, resp.Model = hop.ParseLoad(a.load)
	resp.Body = append(resp.Body[:0], a.body...)
}

// front stands before a real node, passes on what it is asked and answered, and treats inferences badly when told.
type front struct {
	target string
	client *http.Client

	sick    atomic.Pointer[reply] // the answer to every inference; nil = the node's
	forgets atomic.Bool           // inferences are never answered
}

func newFront(target string) *front {
	return &front{target: "http://" + target, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
}

// Bad answers.
var (
	internalError = reply{status: http.StatusInternalServerError, contentType: "application/json", body: []byte(`{"error":"out of memory on device 0"}`)}
	nonsense      = reply{status: http.StatusOK, contentType: "application/json", body: []byte("<html>It works!</html>")}
)

func (f *front) answer(ctx context.Context, q *question) reply {
	if bad := f.sick.Load(); bad != nil && q.infers() {
		return *bad
	}
	if f.forgets.Load() && q.infers() {
		<-ctx.Done() // the gateway has given up, or is gone
		return reply{status: http.StatusServiceUnavailable}
	}
	r, err := http.NewRequestWithContext(ctx, q.method, f.target+q.path, bytes.NewReader(q.body))
	if err != nil {
		return reply{status: http.StatusBadRequest}
	}
	r.Header.Set("Content-Type", q.contentType)
	if q.headerLength >= 0 {
		r.Header.Set("Inference-Header-Content-Length", strconv.Itoa(q.headerLength))
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return reply{status: http.StatusBadGateway}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{status: http.StatusBadGateway}
	}
	return reply{resp.StatusCode, resp.Header.Get("Content-Type"), body, resp.Header.Get(hop.LoadHeader)}
}

func (f *front) close() { f.client.CloseIdleConnections() }
