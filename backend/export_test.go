package backend

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
)

// BoundTensors sets how many bytes the tensors of all requests in flight may take.
func BoundTensors(limit int64) func(*Server) { return func(s *Server) { s.tensors.Limit = limit } }

// BoundAnswers sets how many bytes all answers being read may take.
func BoundAnswers(limit int64) func(*Server) { return func(s *Server) { s.answers.Limit = limit } }

// PanickingHop is a hop's handler as it is when it meets a bug of ours: a context that is not the hop's.
func PanickingHop(s *Server) (resp hop.Response) {
	s.handleHop(context.Background(), &hop.Request{Method: hop.MethodPost, Path: []byte("/v2/models/m/infer")}, &resp)
	return resp
}

// Watcher returns what one look at the repository does, for tests that do not want to wait for the next.
func Watcher(s *Server) (look func()) {
	w := &watcher{loader: s.loader}
	return w.look
}

// SetLoadPatience sets how long a load keeps others waiting.
func SetLoadPatience(s *Server, patience time.Duration) { s.loader.places.patience = patience }

// HandlerForTest loads models and returns the node's handler without a server in front of it.
func HandlerForTest(t testing.TB, engine Engine, models string, change ...func(*Server)) (handle fasthttp.RequestHandler, stop func()) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Models = models
	s, err := New(cfg, engine, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(s)
	}
	s.loader.loadAll(s.folders)
	return s.handle, func() {
		if err := s.loader.closeAll(); err != nil {
			t.Error(err)
		}
	}
}
