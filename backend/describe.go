package backend

import (
	"encoding/json"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// describeServer answers GET /v2.
func (s *Server) describeServer(ctx *fasthttp.RequestCtx) {
	m := s.Metadata()
	writeJSON(ctx, fasthttp.StatusOK, oip.AppendServerMetadata(nil, &m))
}

// answerReady answers GET /v2/health/ready: whether to send requests here. A model that could not be loaded does not keep
// the node from being ready, since the others would go with it.
func (s *Server) answerReady(ctx *fasthttp.RequestCtx) {
	if err := s.Ready(); err != nil {
		body := oip.AppendJSONString([]byte(`{"ready":false,"error":`), err.Error())
		writeJSON(ctx, fasthttp.StatusServiceUnavailable, append(body, '}'))
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, []byte(`{"ready":true}`))
}

// listModels answers GET /v2/models and GET /v1/models.
func (s *Server) listModels(ctx *fasthttp.RequestCtx) {
	body := []byte(`{"models":[`)
	for i, name := range s.catalog.Load().names {
		if i > 0 {
			body = append(body, ',')
		}
		body = oip.AppendJSONString(body, name)
	}
	writeJSON(ctx, fasthttp.StatusOK, append(body, `]}`...))
}

// describeModel answers GET /v2/models/M.
func (s *Server) describeModel(ctx *fasthttp.RequestCtx, call oip.Call) {
	m, err := s.ModelMetadata(call.Model, call.Version)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, oip.AppendModelMetadata(nil, &m))
}

// answerModelReady answers GET /v2/models/M/ready and GET /v1/models/M.
func (s *Server) answerModelReady(ctx *fasthttp.RequestCtx, call oip.Call) {
	if err := s.ModelReady(call.Model, call.Version); err != nil {
		s.refuse(ctx, err)
		return
	}
	body := oip.AppendJSONString([]byte(`{"name":`), call.Model)
	writeJSON(ctx, fasthttp.StatusOK, append(body, `,"ready":true}`...))
}

// index answers POST /v2/repository/index with all models, or, asked for {"ready":true}, with those that are ready.
func (s *Server) index(ctx *fasthttp.RequestCtx) {
	var question struct {
		Ready bool `json:"ready"`
	}
	if body := ctx.PostBody(); len(body) > 0 {
		if json.Unmarshal(body, &question) != nil {
			s.refuse(ctx, oip.Errorf(oip.InvalidArgument, `the body is neither empty nor {} nor {"ready":true}`))
			return
		}
	}
	c := s.catalog.Load()
	body := []byte{'['}
	for _, name := range c.names {
		body = appendIndex(body, c.models[name], question.Ready)
	}
	writeJSON(ctx, fasthttp.StatusOK, append(body, ']'))
}

// appendIndex appends one object a version, or one for a model that has none.
func appendIndex(body []byte, e *entry, onlyReady bool) []byte {
	versions := e.versions
	if len(versions) == 0 {
		versions = []version{{state: unavailable, reason: e.problem}}
	}
	for _, v := range versions {
		if onlyReady && v.state != ready {
			continue
		}
		if body[len(body)-1] == '}' {
			body = append(body, ',')
		}
		body = oip.AppendJSONString(append(body, `{"name":`...), e.name)
		if v.number != "" {
			body = oip.AppendJSONString(append(body, `,"version":`...), v.number)
		}
		body = oip.AppendJSONString(append(body, `,"state":`...), string(v.state))
		if v.reason != "" {
			body = oip.AppendJSONString(append(body, `,"reason":`...), v.reason)
		}
		body = append(body, '}')
	}
	return body
}
