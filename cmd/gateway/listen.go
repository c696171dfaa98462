package main

import (
	"log/slog"
	"net"

	"ganglion/gateway"
	"ganglion/internal/httpserver"
)

// listeners are the ports of the gateway; nil is one that is turned off.
type listeners struct{ http, admin, grpc net.Listener }

// listen takes all ports, before anything runs on one of them: a port in use is then all that is said.
func listen(cfg gateway.ServerConfig, log *slog.Logger) (l listeners, err error) {
	if l.http, err = httpserver.Listen(cfg.HTTP); err != nil {
		return l, err
	}
	for _, port := range []struct {
		address string
		at      *net.Listener
		word    string
	}{{cfg.Admin, &l.admin, "admin"}, {cfg.GRPC, &l.grpc, "gRPC"}} {
		if port.address == "" {
			continue
		}
		if *port.at, err = httpserver.Listen(port.address); err != nil {
			l.close()
			return l, err
		}
		log.Info(port.word+" port is open", "address", (*port.at).Addr().String())
	}
	return l, nil
}

// close gives the ports back. Whoever has served on one has closed it already.
func (l listeners) close() {
	for _, ln := range []net.Listener{l.http, l.admin, l.grpc} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}
