// Package inprocess runs a gateway inside of the program that measures it, where its process has no part in what is measured.
//
// Concurrency: a gateway that was started runs until it is ended.
package inprocess

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/gateway"
)

// server is the part of the configuration that all have in common: one port, and no access log.
const server = "[server]\ngrpc = \"\"\nadmin = \"\"\ndrain_delay = \"0s\"\n[log]\naccess = \"off\"\n"

// Start runs a gateway with these pools and routes, in TOML, until end is called or ctx ends, and waits until it is ready. Its
// metrics go to registry, which may be nil.
func Start(ctx context.Context, poolsAndRoutes string, registry prometheus.Registerer) (address string, end func() error, err error) {
	cfg, _, err := gateway.ParseConfig("bench.toml", []byte(server+poolsAndRoutes))
	if err != nil {
		return "", nil, err
	}
	g, err := gateway.New(cfg, gateway.Options{Log: slog.New(slog.DiscardHandler), Registry: registry})
	if err != nil {
		return "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, ln, nil) }()
	end = func() error { cancel(); return <-done }
	for wait := time.Now().Add(10 * time.Second); g.Ready() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(wait) {
			return "", nil, errors.Join(errors.New("the gateway does not get ready"), end())
		}
	}
	return ln.Addr().String(), end, nil
}
