package rpc

import (
	"context"

	"ganglion/internal/oip"
)

// Node is what answers the calls. Its errors are *oip.Error, whose text the client gets to read, or context.Canceled, or
// anything else, whose text is for the log.
type Node interface {
	// Infer runs a model on r and fills out, whose tensors are to be read only until release. It ends when ctx does.
	Infer(ctx context.Context, model, version string, r *oip.InferRequest, out *oip.InferResponse) (release func(), err error)

	// Refused counts an inference that Infer has not seen, because it could not be read or there was no room for it.
	Refused(model, version string, err error)

	// Limits bound what a request may make the node hold.
	Limits() oip.Limits

	Ready() error
	Metadata() oip.ServerMetadata
	ModelReady(model, version string) error
	ModelMetadata(model, version string) (oip.ModelMetadata, error)
	ModelConfig(model, version string) (*oip.ModelConfig, error)
	Statistics(model, version string) ([]oip.ModelStatistics, error)

	Index(onlyReady bool) []oip.IndexEntry
	LoadModel(ctx context.Context, name string, opt oip.LoadOptions) error
	UnloadModel(ctx context.Context, name string, dependents bool) error
}
