package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"ganglion/internal/oip"
)

// target is a server under load. ask may be called from many goroutines.
type target interface {
	// metadata and statistics describe the model; statistics may be nil when the server keeps none.
	metadata(ctx context.Context) (oip.ModelMetadata, error)
	statistics(ctx context.Context) []oip.ModelStatistics

	// prepare makes the bytes of the questions, once.
	prepare(all []oip.InferRequest) error

	// ask sends question i and waits for its answer. With trace set it asks where the time went.
	ask(client, i int, trace bool) reply

	close()
}

// reply is what became of a question.
type reply struct {
	err    error
	cached bool
	trace  *trace // nil when there was none
}

// trace is where a single request's time went, as its servers say. A zero is unknown.
type trace struct {
	edge     time.Duration // in the gateway, waiting for the node included
	upstream time.Duration // the gateway's wait for the node
	node     time.Duration // in the node
}

// open makes the target of a URL: http, https or grpc.
func open(cfg *Config) (target, error) {
	u, err := url.Parse(cfg.Target)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("target %q: want http://HOST:PORT, https://HOST:PORT or grpc://HOST:PORT", cfg.Target)
	}
	switch u.Scheme {
	case "http", "https":
		return newHTTPTarget(cfg, u), nil
	case "grpc":
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return nil, fmt.Errorf("target %q: want grpc://HOST:PORT", cfg.Target)
		}
		return newGRPCTarget(cfg, u.Host)
	}
	return nil, fmt.Errorf("target %q: scheme %q is none of http, https, grpc", cfg.Target, u.Scheme)
}
