package admin

import (
	"context"
	"errors"
	"net/http"

	"ganglion/gateway"
	"ganglion/internal/conf"
)

// Reload has the gateway read its configuration anew.
type Reload func(ctx context.Context) (gateway.Reloaded, error)

// reload is POST /reload: 200 with what has changed, or 422 with what is wrong, all of it; nothing has changed then.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	done, err := s.again(context.WithoutCancel(r.Context())) // half a reload is none: one who leaves does not end it
	if problems, ok := errors.AsType[conf.Problems](err); ok {
		lines := make([]string, len(problems))
		for i, p := range problems {
			lines[i] = p.String()
		}
		answer(w, http.StatusUnprocessableEntity, map[string]any{"error": "the configuration has problems", "problems": lines})
		return
	}
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, done)
}
