package rpc

import (
	"context"
	"encoding/json"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
	"ganglion/internal/rpcwire"
)

func (s *Server) repositoryIndex(ctx context.Context, in *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	onlyReady, err := rpcwire.IndexRequest(in)
	if err != nil {
		return nil, errorFrom(err)
	}
	body, err := s.want(ctx, "POST", "/v2/repository/index", asJSON(map[string]bool{"ready": onlyReady}))
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
	if err := s.control(ctx, model, "load", loadParameters(opt)); err != nil {
		return nil, err
	}
	return &pb.RepositoryModelLoadResponse{ModelName: model, IsLoaded: true}, nil
}

// loadParameters are REST's: the configuration is text, and files are base64, as encoding/json writes bytes.
func loadParameters(opt oip.LoadOptions) map[string]any {
	p := make(map[string]any, len(opt.Files)+1)
	if opt.Config != nil {
		p["config"] = string(opt.Config)
	}
	for name, content := range opt.Files {
		p["file:"+name] = content
	}
	return p
}

func (s *Server) unloadModel(ctx context.Context, in *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	model, dependents, err := rpcwire.UnloadRequest(in)
	if err != nil {
		return nil, errorFrom(err)
	}
	if err := s.control(ctx, model, "unload", map[string]any{"unload_dependents": dependents}); err != nil {
		return nil, err
	}
	return &pb.RepositoryModelUnloadResponse{ModelName: model, IsUnloaded: true}, nil
}

// control loads or unloads a model.
func (s *Server) control(ctx context.Context, model, verb string, parameters map[string]any) error {
	if !wellFormed("/v2/models/" + model) {
		return unknownModel(model)
	}
	_, err := s.want(ctx, "POST", "/v2/repository/models/"+model+"/"+verb, asJSON(map[string]any{"parameters": parameters}))
	return err
}

// asJSON encodes what is made of strings, bytes and flags, which cannot fail.
func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}
