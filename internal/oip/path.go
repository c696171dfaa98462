package oip

// Kind is what a request path asks for.
type Kind uint8

// The kinds of calls, with the path each one has. M stands for a model's name; paths with a model also exist as
// …/M/versions/V….
const (
	CallNone             Kind = iota
	CallServerMetadata        // GET  /v2
	CallServerLive            // GET  /v2/health/live
	CallServerReady           // GET  /v2/health/ready
	CallModelList             // GET  /v2/models
	CallModelMetadata         // GET  /v2/models/M
	CallModelReady            // GET  /v2/models/M/ready
	CallModelInfer            // POST /v2/models/M/infer
	CallModelConfig           // GET  /v2/models/M/config
	CallModelStatistics       // GET  /v2/models/M/stats
	CallServerStatistics      // GET  /v2/models/stats
	CallRepositoryIndex       // POST /v2/repository/index
	CallRepositoryLoad        // POST /v2/repository/models/M/load
	CallRepositoryUnload      // POST /v2/repository/models/M/unload
	CallV1List                // GET  /v1/models
	CallV1Model               // GET  /v1/models/M
	CallV1Predict             // POST /v1/models/M:predict
)

// Call is a request path, understood.
type Call struct {
	Kind    Kind
	Model   string // "" where the kind has none
	Version string // "" when the path names none; else decimal digits without leading zeros
}

// ParsePath reads the path of a request, without its query, still percent-encoded. ok is false for every path that is
// not exactly one of ours. Model and Version are substrings of path (unless it had percent signs): it does not allocate.
func ParsePath(path string) (Call, bool) { return Call{}, false }

// Methods returns the methods the call accepts, as the value of an Allow header.
func (c Call) Methods() string { return "" }

// Allows reports whether the call accepts the method.
func (c Call) Allows(method string) bool { return false }
