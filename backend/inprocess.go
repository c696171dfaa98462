package backend

import "context"

// RunModels loads the models and keeps them until ctx ends, as Run does, but without a server in front: for programs that
// call Infer themselves. Ready tells when the first load pass is over. Call it once, and not beside Run.
func (s *Server) RunModels(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.state.Store(int32(draining))
		s.loader.refuse()
	})
	defer stop()
	return s.runModels(ctx)
}
