package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// healthEvery is how often a watched state is looked at: far below the second within which a balancer wants to know, and at
// the price of one map lookup even a thousand watchers cost nothing worth naming.
const healthEvery = 100 * time.Millisecond

// health is gRPC's own health service. The service "" and the protocol's service name stand for the node, any other name for
// a model.
type health struct {
	healthpb.UnimplementedHealthServer
	server *Server
}

// Check implements the health service.
func (h health) Check(_ context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	state := h.state(r.GetService())
	if state == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Error(codes.NotFound, "unknown service: neither the protocol's nor a model's name")
	}
	return &healthpb.HealthCheckResponse{Status: state}, nil
}

// Watch implements the health service: it sends the state, and again whenever it changes. A name that is unknown may become
// known.
func (h health) Watch(r *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	last := healthpb.HealthCheckResponse_ServingStatus(-1)
	for {
		if state := h.state(r.GetService()); state != last {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: state}); err != nil {
				return err
			}
			last = state
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-h.server.draining:
			if last != healthpb.HealthCheckResponse_NOT_SERVING {
				_ = stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}) // the end says the same
			}
			return errLeaving
		}
	}
}

// List implements the health service, for the node alone: models are in the repository index.
func (h health) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	return &healthpb.HealthListResponse{Statuses: map[string]*healthpb.HealthCheckResponse{
		"": {Status: h.state("")},
		pb.GRPCInferenceService_ServiceDesc.ServiceName: {Status: h.state("")},
	}}, nil
}

// state is the state of the node or of a model.
func (h health) state(service string) healthpb.HealthCheckResponse_ServingStatus {
	var err error
	switch service {
	case "", pb.GRPCInferenceService_ServiceDesc.ServiceName:
		err = h.server.node.Ready()
	default:
		err = h.server.node.ModelReady(service, "")
	}
	if err == nil {
		return healthpb.HealthCheckResponse_SERVING
	}
	if refusal, ok := errors.AsType[*oip.Error](err); ok && (refusal.Code == oip.NotFound || refusal.Code == oip.InvalidArgument) {
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}
