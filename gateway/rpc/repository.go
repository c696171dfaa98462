package rpc

import (
	"context"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/rpcwire"
)

func (s *Server) repositoryIndex(ctx context.Context, in *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	onlyReady, err := rpcwire.IndexRequest(in)
	if err != nil {
		return nil, errorFrom(err)
	}
	body, err := s.want(ctx, "POST", "/v2/repository/index", oip.AppendIndexRequest(nil, onlyReady))
	if err != nil {
		return nil, err
	}
	// REST answers with the bare list.
	wrapped := append(append([]byte(`{"models":`), body...), '}')
	out := new(pb.RepositoryIndexResponse)
	return out, fromJSON(wrapped, out)
}

func (s *Server) loadModel(ctx context.Context, in *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	model, opt, err := rpcwire.LoadRequest(in)
	if err != nil {
		return nil, errorFrom(err)
	}
	if err := s.control(ctx, model, "load", oip.AppendLoadRequest(nil, &opt)); err != nil {
		return nil, err
	}
	return &pb.RepositoryModelLoadResponse{ModelName: model, IsLoaded: true}, nil
}

func (s *Server) unloadModel(ctx context.Context, in *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	model, dependents, err := rpcwire.UnloadRequest(in)
	if err != nil {
		return nil, errorFrom(err)
	}
	if err := s.control(ctx, model, "unload", oip.AppendUnloadRequest(nil, dependents)); err != nil {
		return nil, err
	}
	return &pb.RepositoryModelUnloadResponse{ModelName: model, IsUnloaded: true}, nil
}

// control loads or unloads a model.
func (s *Server) control(ctx context.Context, model, verb string, body []byte) error {
	if !wellFormed("/v2/models/" + model) {
		return unknownModel(model)
	}
	_, err := s.want(ctx, "POST", "/v2/repository/models/"+model+"/"+verb, body)
	return err
}
