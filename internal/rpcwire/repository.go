package rpcwire

import (
	"strings"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// The parameters of load and unload requests that have a meaning.
const (
	configParameter     = "config"
	filePrefix          = "file:"
	dependentsParameter = "unload_dependents"
)

// LoadRequest reads a request to load a model, in Triton's form or KServe's. Files alias the message. Errors are *oip.Error.
func LoadRequest(r *pb.RepositoryModelLoadRequest) (model string, opt oip.LoadOptions, err error) {
	if model, err = modelOf(r.GetRepositoryName(), r.GetModelName()); err != nil {
		return "", opt, err
	}
	for name, p := range r.GetParameters() {
		file, isFile := strings.CutPrefix(name, filePrefix)
		switch {
		case name == configParameter:
			text, ok := p.GetParameterChoice().(*pb.ModelRepositoryParameter_StringParam)
			if !ok {
				return "", opt, wrongType(name, "string_param")
			}
			opt.Config = []byte(text.StringParam)
		case isFile:
			content, ok := p.GetParameterChoice().(*pb.ModelRepositoryParameter_BytesParam)
			if !ok {
				return "", opt, wrongType(name, "bytes_param")
			}
			if opt.Files == nil {
				opt.Files = make(map[string][]byte)
			}
			opt.Files[file] = content.BytesParam
		default:
			return "", opt, oip.Errorf(oip.InvalidArgument, "unknown load parameter %q: accepts %q and %q",
				shortened(name), configParameter, filePrefix+"VERSION/NAME")
		}
	}
	if opt.Files != nil && opt.Config == nil {
		return "", opt, oip.Errorf(oip.InvalidArgument,
			"load of model %q has %q parameters but no %q parameter, which is needed with them", model, filePrefix, configParameter)
	}
	return model, opt, nil
}

// UnloadRequest reads a request to unload a model, in Triton's form or KServe's. Errors are *oip.Error.
func UnloadRequest(r *pb.RepositoryModelUnloadRequest) (model string, dependents bool, err error) {
	if model, err = modelOf(r.GetRepositoryName(), r.GetModelName()); err != nil {
		return "", false, err
	}
	for name, p := range r.GetParameters() {
		if name != dependentsParameter {
			return "", false, oip.Errorf(oip.InvalidArgument, "unknown unload parameter %q: accepts %q",
				shortened(name), dependentsParameter)
		}
		flag, ok := p.GetParameterChoice().(*pb.ModelRepositoryParameter_BoolParam)
		if !ok {
			return "", false, wrongType(name, "bool_param")
		}
		dependents = flag.BoolParam
	}
	return model, dependents, nil
}

// IndexRequest reads a request for the repository index. Errors are *oip.Error.
func IndexRequest(r *pb.RepositoryIndexRequest) (onlyReady bool, err error) {
	if r.GetRepositoryName() != "" {
		return false, oip.RefuseCall(oip.CallNamedRepository)
	}
	return r.GetReady(), nil
}

// modelOf is the model that a load or unload request means. KServe's clients send its name as the field that Triton's send
// a repository's name in, and never Triton's field beside it.
func modelOf(repository, model string) (string, error) {
	switch {
	case repository != "" && model != "":
		return "", oip.RefuseCall(oip.CallNamedRepository)
	case repository != "":
		return repository, nil
	case model != "":
		return model, nil
	default:
		return "", oip.Errorf(oip.InvalidArgument, "the request names no model")
	}
}

func wrongType(parameter, want string) error {
	return oip.Errorf(oip.InvalidArgument, "invalid value type for %q parameter, expected %s", shortened(parameter), want)
}

// shortened returns s with no more of it than an error repeats.
func shortened(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// utf8Only returns s with what is not UTF-8 replaced: protobuf refuses to send such a string. File names may be like that.
func utf8Only(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
