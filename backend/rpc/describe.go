package rpc

import (
	"context"
	"errors"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/rpcwire"
)

// calls answers every call but the inferences, which have handlers of their own. Its errors are the node's; what is
// around puts them into gRPC's words.
type calls struct {
	pb.UnimplementedGRPCInferenceServiceServer
	node Node
}

// ServerLive implements the protocol: whoever reads the answer knows it already.
func (calls) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady implements the protocol.
func (c calls) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: c.node.Ready() == nil}, nil
}

// ModelReady implements the protocol. A model that there is not is not ready, which is no error: so it is at Triton.
func (c calls) ModelReady(_ context.Context, r *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	err := c.node.ModelReady(r.GetName(), r.GetVersion())
	if refusal, ok := errors.AsType[*oip.Error](err); ok && refusal.Code == oip.InvalidArgument {
		return nil, err
	}
	return &pb.ModelReadyResponse{Ready: err == nil}, nil
}

// ServerMetadata implements the protocol.
func (c calls) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	m := c.node.Metadata()
	return rpcwire.ServerMetadata(&m), nil
}

// ModelMetadata implements the protocol.
func (c calls) ModelMetadata(_ context.Context, r *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	m, err := c.node.ModelMetadata(r.GetName(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return rpcwire.ModelMetadata(&m), nil
}

// ModelConfig implements the protocol.
func (c calls) ModelConfig(_ context.Context, r *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	config, err := c.node.ModelConfig(r.GetName(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return &pb.ModelConfigResponse{Config: rpcwire.ModelConfig(config)}, nil
}

// ModelStatistics implements the protocol.
func (c calls) ModelStatistics(_ context.Context, r *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	stats, err := c.node.Statistics(r.GetName(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return rpcwire.Statistics(stats), nil
}
