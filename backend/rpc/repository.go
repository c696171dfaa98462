package rpc

import (
	"context"

	"ganglion/internal/oip/pb"
	"ganglion/internal/rpcwire"
)

// RepositoryIndex implements the protocol.
func (c calls) RepositoryIndex(_ context.Context, r *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	onlyReady, err := rpcwire.IndexRequest(r)
	if err != nil {
		return nil, err
	}
	return rpcwire.Index(c.node.Index(onlyReady)), nil
}

// RepositoryModelLoad implements the protocol. The fields of the answer are KServe's, and no others read them.
func (c calls) RepositoryModelLoad(ctx context.Context, r *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	model, opt, err := rpcwire.LoadRequest(r)
	if err == nil {
		err = c.node.LoadModel(ctx, model, opt)
	}
	if err != nil {
		return nil, err
	}
	return &pb.RepositoryModelLoadResponse{ModelName: model, IsLoaded: true}, nil
}

// RepositoryModelUnload implements the protocol. The fields of the answer are KServe's, and no others read them.
func (c calls) RepositoryModelUnload(ctx context.Context, r *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	model, dependents, err := rpcwire.UnloadRequest(r)
	if err == nil {
		err = c.node.UnloadModel(ctx, model, dependents)
	}
	if err != nil {
		return nil, err
	}
	return &pb.RepositoryModelUnloadResponse{ModelName: model, IsUnloaded: true}, nil
}
