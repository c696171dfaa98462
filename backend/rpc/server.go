package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/tap"

	"ganglion/internal/oip/pb"
	"ganglion/internal/rpcwire" // which also lets clients compress with gzip and deflate
)

const (
	// connectTimeout is for the HTTP/2 handshake, one round trip; grpc's own 120 s are an invitation.
	connectTimeout = 10 * time.Second
	// mostHeaders bounds the metadata of a call, as REST's headers are.
	mostHeaders = 16 << 10
	// pingAfter of silence the server asks whether a client is still there: one that lost its power leaves calls behind that
	// would wait, and watch, for hours (grpc's own default is two).
	pingAfter = time.Minute
	// pingTimeout is grpc's own, said here because it belongs to the number above.
	pingTimeout = 20 * time.Second
)

// Server serves a node's calls.
type Server struct {
	cfg  Config
	node Node
	log  *slog.Logger
	grpc *grpc.Server
	md   metadata.MD // of every answer, nil for none

	requests, answers budget
	metrics           metrics

	inferences sync.Pool      // of *inference
	receivers  sync.WaitGroup // of streams
	draining   chan struct{}  // closed when no more calls are to come
}

// New returns a Server for node. It serves nothing before Run.
func New(cfg Config, node Node, log *slog.Logger) *Server {
	s := &Server{cfg: cfg, node: node, log: log, draining: make(chan struct{})}
	if cfg.ID != "" {
		s.md = metadata.Pairs("x-node-id", cfg.ID)
	}
	s.requests.of, s.requests.Limit = "the requests being worked on", int64(cfg.MaxRequests)
	s.answers.of, s.answers.Limit = "answers that are being read", int64(cfg.MaxAnswers)
	s.inferences.New = func() any { return new(inference) }
	security := insecure.NewCredentials()
	if cfg.TLS != nil {
		security = credentials.NewTLS(cfg.TLS)
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(security),
		grpc.ForceServerCodecV2(rpcwire.NewCodec()),
		grpc.MaxRecvMsgSize(int(cfg.MaxMessage)),
		grpc.MaxSendMsgSize(maxAnswer),
		grpc.MaxConcurrentStreams(cfg.MaxStreams),
		grpc.MaxHeaderListSize(mostHeaders),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.InTapHandle(s.accept),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: cfg.IdleTimeout, Time: pingAfter, Timeout: pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: cfg.PingEvery, PermitWithoutStream: true}),
	)
	services := around{s}
	services.RegisterService(s.service(), calls{node: node})
	healthpb.RegisterHealthServer(services, health{server: s})
	reflection.Register(services)
	return s
}

// accept limits how long an inference may take from its headers on. The node limits the inference itself; without this limit a
// client that never sends its message would keep its call for good, and a few hundred of those a connection.
func (s *Server) accept(ctx context.Context, call *tap.Info) (context.Context, error) {
	if call.FullMethodName != pb.GRPCInferenceService_ModelInfer_FullMethodName {
		return ctx, nil // short, or as long as it takes
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	_ = cancel // grpc cancels the parent when the call ends
	return ctx, nil
}

// service is the protocol's, with the inferences taken from the generated code.
func (s *Server) service() *grpc.ServiceDesc {
	service := pb.GRPCInferenceService_ServiceDesc
	service.Methods = slices.Clone(service.Methods)
	for i := range service.Methods {
		if m := &service.Methods[i]; m.MethodName == "ModelInfer" {
			m.Handler = s.modelInfer
		}
	}
	service.Streams = slices.Clone(service.Streams)
	for i := range service.Streams {
		if m := &service.Streams[i]; m.StreamName == streamInfer {
			m.Handler = s.modelStreamInfer
		}
	}
	return &service
}

// Run serves ln until ctx ends, then drains: clients are told to go elsewhere, idle streams are ended, and what is in flight
// has DrainTimeout to finish. It owns ln and closes it. It returns when nothing of the server is left. Call it once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	served := make(chan error, 1)
	go func() {
		served <- s.grpc.Serve(&limited{Listener: ln, room: int64(s.cfg.MaxConnections), metrics: &s.metrics})
	}()
	var err error
	select {
	case <-ctx.Done():
		close(s.draining)
		err = s.drain()
		// nil, as it has been stopped, unless it was before it began
		if served := <-served; err == nil && !errors.Is(served, grpc.ErrServerStopped) {
			err = served
		}
	case err = <-served:
		close(s.draining)
		s.grpc.Stop()
	}
	s.receivers.Wait()
	return err
}

// drain lets calls finish, and cuts those that take too long.
func (s *Server) drain() (err error) {
	cut := time.AfterFunc(s.cfg.DrainTimeout, s.grpc.Stop)
	s.grpc.GracefulStop()
	if !cut.Stop() {
		err = fmt.Errorf("calls were still in flight after the drain timeout (%s) and were cut", s.cfg.DrainTimeout)
	}
	return err
}

// stamp says in a call's answer which node gave it.
func (s *Server) stamp(ctx context.Context) {
	if s.md != nil {
		_ = grpc.SetHeader(ctx, s.md) // it fails once the call is over, and then nobody reads it
	}
}
