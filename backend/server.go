package backend

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/lifecycle"
	"ganglion/internal/oip"
)

// phase is where a node is in its life.
type phase int32

const (
	starting phase = iota // some versions have not been tried yet
	serving
	draining
)

// Server is a node.
type Server struct {
	cfg        Config
	log        *slog.Logger
	engine     Engine
	repository *repository
	folders    []folder
	loader     *loader
	http       *httpserver.Server
	faces      []face // beside http
	hop        *hop.Server
	teller     teller
	metrics    *metrics
	limits     oip.Limits
	tensors    memoryBound
	answers    memoryBound
	inferences sync.Pool // of *inference, for Infer
	exchanges  sync.Pool // of *exchange
	coders     coders
	nodeLoad   nodeLoad
	idHeader   hop.Header // what the hop carries of X-Node-Id

	state   atomic.Int32 // a phase
	catalog atomic.Pointer[catalog]
}

// New reads which models the repository has; it loads none. The engine stays the caller's, to be closed after Run.
func New(cfg Config, engine Engine, log *slog.Logger) (*Server, error) {
	repository, err := openRepository(cfg.Models, log)
	if err != nil {
		return nil, err
	}
	folders, err := repository.scan()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:        cfg,
		log:        log,
		engine:     engine,
		repository: repository,
		folders:    folders,
		metrics:    newMetrics(cfg, engine.Info()),
		limits:     oip.DefaultLimits(),
	}
	// Whoever lets bodies be larger means the tensors in them too. JSON needs two bytes for a number at the least, so that
	// tensors of eight bytes an element may be four times as large as the body they came in.
	s.limits.DecodedBytes = max(s.limits.DecodedBytes, 4*int64(cfg.HTTP.MaxBody))
	s.limits.Elements = max(s.limits.Elements, int64(cfg.HTTP.MaxBody))
	s.tensors.of, s.tensors.Limit = "the tensors of requests in flight", 2*s.limits.DecodedBytes // the largest text and the rows it is padded to
	s.answers.of, s.answers.Limit = "answers that are being read", 8*int64(cfg.MaxOutput)        // a bool is "false," in JSON, six bytes
	s.inferences.New = func() any { return s.newInference() }
	s.exchanges.New = func() any { return new(exchange) }
	s.catalog.Store(newCatalog(folders))
	s.loader = newLoader(s)
	s.registerHealth()
	s.idHeader = hop.Header{Name: []byte(nodeIDName), Value: []byte(cfg.ID)}
	s.http = httpserver.New("node", cfg.HTTP, s.handle, log)
	if cfg.TLS != nil {
		s.http.Encrypt(cfg.TLS)
	}
	s.http.ObserveRefusals(s.metrics.refused)
	s.metrics.observe(s.http)
	if s.hop, err = s.newHop(); err != nil {
		return nil, err
	}
	s.metrics.observeHop(s.hop)
	s.teller = teller{hop: s.hop, wake: make(chan struct{}, 1)}
	return s, nil
}

// Run answers on ln and loads the models, until ctx ends. Then it stops being ready, lets what is in flight finish, closes
// the models and returns. It owns ln. Call it once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		s.state.Store(int32(draining))
		s.loader.refuse()
	})
	defer stop()
	var parts lifecycle.Group
	if s.cfg.Devices != nil {
		parts.Add("devices", s.cfg.Devices.Run)
	}
	parts.Add("health", s.watchHealth)
	parts.Add("load", s.tellLoad)
	parts.Add("models", s.runModels)
	parts.Add("servers", func(ctx context.Context) error { return s.runFaces(ctx, ln) })
	return parts.Run(ctx)
}
