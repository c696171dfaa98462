package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"ganglion/backend"
	"ganglion/backend/rpc"
	"ganglion/internal/httpserver"
)

// listeners are the ports of the node.
type listeners struct{ http, grpc net.Listener } // grpc is nil where it is turned off

// listen takes the ports.
func listen(o options) (l listeners, err error) {
	if l.http, err = httpserver.Listen(o.http); err != nil {
		return l, err
	}
	if o.grpc == "" {
		return l, nil
	}
	if l.grpc, err = httpserver.Listen(o.grpc); err != nil {
		_ = l.http.Close()
		return listeners{}, fmt.Errorf(`--grpc: %w; --grpc "" turns gRPC off`, err)
	}
	return l, nil
}

// close gives the ports back. Whoever has served on one has closed it already.
func (l listeners) close() {
	_ = l.http.Close()
	if l.grpc != nil {
		_ = l.grpc.Close()
	}
}

// grpcAddress is where gRPC is answered, in words for the log.
func (l listeners) grpcAddress() string {
	if l.grpc == nil {
		return "off"
	}
	return l.grpc.Addr().String()
}

// addGRPC has the node serve gRPC too, within the limits that REST has.
func (l listeners) addGRPC(node *backend.Server, cfg backend.Config, security *tls.Config, log *slog.Logger) {
	if l.grpc == nil {
		return
	}
	limits := rpc.DefaultConfig()
	limits.ID = cfg.ID
	limits.TLS = security
	limits.MaxMessage = cfg.HTTP.MaxBody
	limits.MaxRequests = cfg.HTTP.MaxBodyMemory
	limits.MaxAnswers = max(limits.MaxAnswers, 8*cfg.MaxOutput) // room for some of the largest
	limits.CallTimeout = cfg.Timeout + time.Minute              // for its message to arrive
	limits.DrainTimeout = cfg.HTTP.DrainTimeout
	server := rpc.New(limits, node, log)
	node.Observe(server)
	node.Beside("grpc", func(ctx context.Context) error { return server.Run(ctx, l.grpc) })
}
