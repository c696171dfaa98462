package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"ganglion/internal/memory"
	"ganglion/internal/rpcwire" // which also lets clients compress; what a message inflates to is held against MaxMessage
)

// Config bounds what clients may ask of the server. All fields but TLS are needed.
type Config struct {
	TLS            *tls.Config   // nil = plain
	MaxMessage     int           // bytes of a message that comes in, inflated
	MaxAnswer      int           // bytes of a message that goes out
	MaxBodyMemory  int64         // bytes of all messages being answered
	MaxUnread      int64         // bytes of all answers that clients have not read
	MaxHeader      int           // bytes of a call's metadata
	MaxConnections int           // open at once
	ReadTimeout    time.Duration // until a new connection has said that it speaks HTTP/2
	ArrivalTimeout time.Duration // for a message, from the call's headers on; streams are excused
	DrainTimeout   time.Duration // for calls in flight at shutdown
}

// Numbers that nobody has to choose.
const (
	// maxStreams is how many calls one connection may have under way; what a client has beyond waits with the client, which
	// knows the number. Twice nginx's 128: a gateway stands before several nodes, and nobody waits here but for them.
	maxStreams = 256

	// fastestPing is how often a client may ask whether we are there. grpc-go's clients never ask more often than every
	// 10 s; half of it leaves room for clocks and networks. grpc's own default, 5 minutes, would hang up on clients with
	// common keepalive settings.
	fastestPing = 5 * time.Second

	// pingAfter is when a silent client is asked, and pingWait how long it may take: a host that vanished without a word
	// is gone within 80 s, which is about the idle timeout of REST connections.
	pingAfter = time.Minute
	pingWait  = 20 * time.Second

	// streamWindowBytes is the flow control window of a call: a small tensor comes in without waiting for the window to be
	// renewed, and a large one renews it as grpc reads.
	streamWindowBytes = 1 << 20
	connWindowBytes   = 4 << 20 // a few such calls at once on a connection
)

// Server takes gRPC calls for an [Edge]. Make it with [New], run it once.
type Server struct {
	edge     Edge
	cfg      Config
	log      *slog.Logger
	grpc     *grpc.Server
	bodies   bodies
	unread   unread
	now      func() time.Time
	stopping chan struct{} // closed when the drain begins

	background sync.WaitGroup // what goes on beside handlers: streams

	connections struct {
		open              atomic.Int64
		accepted, refused atomic.Uint64
	}
	panics atomic.Uint64
}

// New makes a server. It starts nothing.
func New(edge Edge, cfg Config, log *slog.Logger) *Server {
	s := &Server{
		edge: edge, cfg: cfg, log: log.With("server", "grpc"), now: time.Now,
		stopping: make(chan struct{}), bodies: bodies{Account: memory.Account{Limit: cfg.MaxBodyMemory}}, unread: unread{memory.Account{Limit: cfg.MaxUnread}},
	}
	security := insecure.NewCredentials()
	if cfg.TLS != nil {
		security = credentials.NewTLS(cfg.TLS)
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(security),
		grpc.ForceServerCodecV2(rpcwire.NewCodec()),
		grpc.MaxRecvMsgSize(cfg.MaxMessage),
		grpc.MaxSendMsgSize(cfg.MaxAnswer),
		grpc.MaxHeaderListSize(uint32(cfg.MaxHeader)),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.InitialWindowSize(streamWindowBytes),
		grpc.InitialConnWindowSize(connWindowBytes),
		grpc.ConnectionTimeout(cfg.ReadTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: fastestPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingWait}),
		grpc.InTapHandle(s.accept),
		grpc.UnknownServiceHandler(unknown),
		grpc.StatsHandler(recorder{s}),
		grpc.WaitForHandlers(true),
	)
	s.grpc.RegisterService(service(), s)
	grpc_health_v1.RegisterHealthServer(s.grpc, &health{server: s})
	reflection.Register(s.grpc)
	return s
}

// Run serves clients on ln, which it owns, until ctx ends; then it drains: no new calls, and what is in flight is finished
// within DrainTimeout. It returns nil after a clean drain.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.grpc.Serve(&limited{Listener: ln, server: s}) }()
	var err error
	select {
	case err = <-ended:
		s.grpc.Stop()
		close(s.stopping)
		err = fmt.Errorf("cannot serve gRPC on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
		err = errors.Join(s.drain(), <-ended)
	}
	s.background.Wait()
	return err
}

// drain lets the calls in flight end.
func (s *Server) drain() error {
	close(s.stopping)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(s.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		s.grpc.Stop()
		<-done
		return fmt.Errorf("gRPC calls were cut off: they were not over within %s", s.cfg.DrainTimeout)
	}
}

// contain turns a panic into one failed call.
func (s *Server) contain(err *error) {
	r := recover()
	if r == nil {
		return
	}
	s.panics.Add(1)
	s.log.Error("handler panicked: this is a bug", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	*err = status.Error(codes.Unknown, "internal error")
}

// Stats are counters and gauges of a server.
type Stats struct {
	Open              int64  // connections now
	Accepted, Refused uint64 // connections
	BodyBytes         int64  // of messages being answered
	BodiesRejected    uint64
	UnreadBytes       int64 // of large answers that clients have not read
	Panics            uint64
}

// Stats reads them. Any goroutine may.
func (s *Server) Stats() Stats {
	return Stats{
		Open: s.connections.open.Load(), Accepted: s.connections.accepted.Load(), Refused: s.connections.refused.Load(),
		UnreadBytes: s.unread.Used(),
		BodyBytes:   s.bodies.Used(), BodiesRejected: s.bodies.refused.Load(), Panics: s.panics.Load(),
	}
}

// limited is a listener that hangs up on connections beyond the limit.
type limited struct {
	net.Listener
	server *Server
	open   atomic.Int64
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= int64(l.server.cfg.MaxConnections) {
			return &counted{Conn: c, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		l.server.connections.refused.Add(1)
		c.Close()
	}
}

// counted is a connection that tells when it is closed.
type counted struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.closed()
	return c.Conn.Close()
}
