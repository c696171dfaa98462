package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health is grpc.health.v1. A service is "" or the protocol's for the gateway as a whole, or the name of a model for the
// route that serves it.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	server *Server
}

// watchEvery is how often a watched service is looked at. That is a few atomic reads; a node is out of its pool within about
// half a second of its death, and nobody who watches should learn it much later.
const watchEvery = 250 * time.Millisecond

// Check implements grpc_health_v1.HealthServer.
func (h *health) Check(_ context.Context, in *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	st := h.statusOf(in.GetService())
	if st == grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Errorf(codes.NotFound, "no service and no model is called %q", shortened(in.GetService()))
	}
	return &grpc_health_v1.HealthCheckResponse{Status: st}, nil
}

// List implements grpc_health_v1.HealthServer. Models are not listed: a route may be for all of them.
func (h *health) List(context.Context, *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	st := &grpc_health_v1.HealthCheckResponse{Status: h.statusOf("")}
	return &grpc_health_v1.HealthListResponse{Statuses: map[string]*grpc_health_v1.HealthCheckResponse{"": st, serviceName: st}}, nil
}

// Watch implements grpc_health_v1.HealthServer: it tells the state at once, and then every change of it. It ends when the
// drain does, so that no watcher holds it up.
func (h *health) Watch(in *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	told := grpc_health_v1.HealthCheckResponse_ServingStatus(-1) // none of theirs
	for {
		if now := h.statusOf(in.GetService()); now != told {
			if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			told = now
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return gone(stream.Context())
		case <-h.server.stopping:
			return errDraining
		}
	}
}

func (h *health) statusOf(service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
	var err error
	if service == "" || service == serviceName {
		err = h.server.edge.Ready()
	} else {
		var known bool
		if known, err = h.server.edge.RouteReady(service); !known {
			return grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
		}
	}
	if err != nil {
		return grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return grpc_health_v1.HealthCheckResponse_SERVING
}
