// Package admin is the gateway's second listener, for operators and their tools: health, readiness, metrics, status, and
// orders to drain nodes.
//
// It owns the HTTP side of them and no state: what it tells is read from the edge at each request, and orders go to the
// edge. It asks nobody who they are, so its listener belongs on loopback or a private network; it refuses orders that come from
// web pages of others.
//
// Concurrency: handlers run concurrently. It stays up while the edge drains, so that the drain can be
// watched.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ganglion/gateway"
)

// Edge is what the admin port tells about and gives orders to. A [gateway.Gateway] is one.
type Edge interface {
	Ready() error // nil = ready; its text is shown to whoever asks
	Status() gateway.Status
	Drain(order gateway.DrainOrder) ([]gateway.DrainedNode, error)
	Explain(gateway.Question) (*gateway.Explanation, error)
	// Record writes a trace of what pools decide, for a time.
	Record(ctx context.Context, w io.Writer, flush func() error, pools []string, d time.Duration) error
}

// Server answers operators. Make it with [New], run it once.
type Server struct {
	edge  Edge
	again Reload
	http  http.Server
}

// Time limits of the admin port: everything it reads is a short request line, and everything it writes is made in
// memory; a scrape of thousands of series over a slow link takes seconds.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = time.Minute
	maxHeader    = 16 << 10
	stopTimeout  = time.Second // for requests under way when the process ends
)

// New makes the server. It starts nothing.
func New(edge Edge, again Reload, metrics prometheus.Gatherer, log *slog.Logger) *Server {
	s := &Server{edge: edge, again: again}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("POST /reload", s.reload)
	mux.HandleFunc("POST /drain", s.drain(true))
	mux.HandleFunc("POST /undrain", s.drain(false))
	mux.HandleFunc("GET /explain", s.explain)
	mux.HandleFunc("POST /explain", s.explain)
	mux.HandleFunc("POST /record", s.record)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		// One broken collector must not hide the rest in the hour when it is needed.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      scrapeLog{log},
	}))
	mux.HandleFunc("GET /{$}", s.index)
	s.http = http.Server{
		Handler: guarded(mux), ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// scrapeLog is told what went wrong with a scrape: once for each family of series that could not be written. Of a scraper that
// left, or is too slow, that would be hundreds of errors, and none is ours.
type scrapeLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	level := slog.LevelError
	for _, part := range v {
		if err, ok := part.(error); ok && theirs(err) {
			level = slog.LevelDebug
		}
	}
	l.log.Log(context.Background(), level, strings.TrimSpace(fmt.Sprintln(v...)))
}

// theirs reports whether an error is about the connection to whoever asks.
func theirs(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	return network
}

// Run answers on ln, which it owns, until ctx ends.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if s.http.Shutdown(deadline) != nil {
			_ = s.http.Close() // cuts what did not finish; there is nothing left to do about an error
		}
	})
	err := s.http.Serve(limit(ln))
	if stop() {
		return err // Serve gave up by itself
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// health tells that the process is alive, and nothing else: restarting a gateway because its nodes are down helps no
// one.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]bool{"live": true})
}

// ready tells whether clients should be sent here.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.edge.Ready(); err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "reason": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]any{"ready": true})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.edge.Status())
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, "ganglion gateway\n\n/healthz  the process is alive\n/readyz   clients may be sent here\n/status   pools, nodes and routes, as JSON\n/metrics  for Prometheus\n/explain  what would be done with a request, as JSON: ?model=NAME&header=Name: value&key=K\n"+
		"\nPOST /drain?node=HOST:PORT[&pool=NAME]  no new requests for the node; /undrain takes it back\nPOST /reload                           read the configuration anew\nPOST /record?for=10s[&pool=NAME]       what pools decide, a line of JSON for each attempt\n")
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone; nobody else would want to know.
	_ = json.NewEncoder(w).Encode(v)
}
