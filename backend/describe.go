package backend

import (
	"net/http"

	"ganglion/internal/oip"
)

// answerReady answers GET /v2/health/ready: whether to send requests here.
func (s *Server) answerReady(x *exchange) {
	if err := s.Ready(); err != nil {
		body := oip.AppendJSONString(append(x.answer, `{"ready":false,"error":`...), err.Error())
		x.json(http.StatusServiceUnavailable, append(body, '}'))
		return
	}
	x.json(http.StatusOK, append(x.answer, `{"ready":true}`...))
}

// answerModelReady answers GET /v2/models/M/ready and GET /v1/models/M.
func (s *Server) answerModelReady(x *exchange) {
	if err := s.ModelReady(x.call.Model, x.call.Version); err != nil {
		s.refuse(x, err)
		return
	}
	body := oip.AppendJSONString(append(x.answer, `{"name":`...), x.call.Model)
	x.json(http.StatusOK, append(body, `,"ready":true}`...))
}

// describe answers what asks about the node and its models, or changes which of them there are.
func (s *Server) describe(x *exchange) error {
	model, version := x.call.Model, x.call.Version
	body := x.answer
	switch x.call.Kind {
	case oip.CallServerMetadata:
		m := s.Metadata()
		body = oip.AppendServerMetadata(body, &m)
	case oip.CallModelList, oip.CallV1List:
		body = s.appendModels(body)
	case oip.CallModelMetadata:
		m, err := s.ModelMetadata(model, version)
		if err != nil {
			return err
		}
		body = oip.AppendModelMetadata(body, &m)
	case oip.CallModelStatistics, oip.CallServerStatistics:
		stats, err := s.Statistics(model, version)
		if err != nil {
			return err
		}
		body = oip.AppendStatistics(body, stats)
	case oip.CallRepositoryIndex:
		onlyReady, err := oip.ParseIndexRequest(x.body)
		if err != nil {
			return err
		}
		body = oip.AppendIndex(body, s.Index(onlyReady))
	case oip.CallModelConfig:
		c, err := s.ModelConfig(model, version)
		if err != nil {
			return err
		}
		body = oip.AppendModelConfig(body, c)
	case oip.CallRepositoryLoad, oip.CallRepositoryUnload:
		return s.change(x)
	default:
		return oip.Errorf(oip.Unsupported, "this version of the node does not have %s", x.call.Kind)
	}
	x.json(http.StatusOK, body)
	return nil
}

// change loads or unloads a model. The answer has no body, as Triton's has none.
func (s *Server) change(x *exchange) (err error) {
	if x.call.Kind == oip.CallRepositoryLoad {
		var opt oip.LoadOptions
		if opt, err = oip.ParseLoadRequest(x.body); err == nil {
			err = s.LoadModel(x.patience, x.call.Model, opt)
		}
	} else {
		var dependents bool
		if dependents, err = oip.ParseUnloadRequest(x.body); err == nil {
			err = s.UnloadModel(x.patience, x.call.Model, dependents)
		}
	}
	if err != nil {
		return err
	}
	x.json(http.StatusOK, x.answer)
	return nil
}

// appendModels appends the answer to GET /v2/models and GET /v1/models.
func (s *Server) appendModels(body []byte) []byte {
	body = append(body, `{"models":[`...)
	for i, name := range s.catalog.Load().names {
		if i > 0 {
			body = append(body, ',')
		}
		body = oip.AppendJSONString(body, name)
	}
	return append(body, `]}`...)
}
