package oip

import "strings"

// Kind is what a request path asks for.
type Kind uint8

// The kinds of calls, with the path each one has. M stands for a model's name; /v2/models/M and what follows it also
// exist as /v2/models/M/versions/V, and in the same way for /v1.
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

	// Known, so that they can be refused for what they are: see RefuseCall.
	CallNamedRepository    // POST /v2/repository/R/index, /v2/repository/R/models/M/load and /unload
	CallTraceSetting       // GET, POST /v2/trace/setting, /v2/models/M/trace/setting
	CallLogSetting         // GET, POST /v2/logging
	CallSharedMemoryStatus // GET  /v2/systemsharedmemory[/region/R]/status, /v2/cudasharedmemory…
	CallSharedMemoryChange // POST the same with /register or /unregister
)

// Call is a request path, understood.
type Call struct {
	Kind    Kind
	Model   string // "" where the kind has none
	Version string // "" when the path names none; else decimal digits without leading zeros, or an alias (see ValidAlias)
}

const (
	longestName    = 64  // of a model; with its character set it is also a safe folder, label and log field
	longestVersion = 18  // digits that int64 always holds
	longestAlias   = 32  // of a version: a word, as in "latest" or "prod-eu"
	longestPath    = 512 // the longest of ours with every letter of its name percent-encoded stays below
)

// ParsePath reads a path as it stands in the request line, before anybody normalised or decoded it, without its query. ok
// is false for every path that is not exactly one of ours: there is one spelling of each, but for percent signs, which
// may only stand for what a name may hold anyway and are decoded once. Slashes, dots and percent signs thus never come
// out of an escape.
//
// Model and Version are parts of path, so nothing is allocated; only a path with percent signs is copied. A caller that
// holds bytes converts them first, and owns what it then passes around.
func ParsePath(path string) (call Call, ok bool) {
	if len(path) > longestPath {
		return Call{}, false
	}
	if strings.IndexByte(path, '%') >= 0 {
		if path, ok = unescapePath(path); !ok {
			return Call{}, false
		}
	}
	switch path {
	case "/v2":
		return Call{Kind: CallServerMetadata}, true
	case "/v2/health/live":
		return Call{Kind: CallServerLive}, true
	case "/v2/health/ready":
		return Call{Kind: CallServerReady}, true
	case "/v2/models":
		return Call{Kind: CallModelList}, true
	case "/v2/models/stats":
		return Call{Kind: CallServerStatistics}, true
	case "/v2/repository/index":
		return Call{Kind: CallRepositoryIndex}, true
	case "/v1/models":
		return Call{Kind: CallV1List}, true
	case "/v2/trace/setting":
		return Call{Kind: CallTraceSetting}, true
	case "/v2/logging":
		return Call{Kind: CallLogSetting}, true
	}
	return parseModelPath(path)
}

// CutPathPrefix takes a configured prefix ("/serving", "" for none; it starts with a slash and does not end with one) off
// a path as it stands in the request line. ok is false for a path outside it. The prefix is compared as it is spelled.
func CutPathPrefix(path, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, prefix)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// ValidPathPrefix reports whether s can be such a prefix: "", or parts of letters, digits, _ . and -, each behind a slash.
func ValidPathPrefix(s string) bool {
	for s != "" {
		part, rest := "", ""
		if s[0] == '/' {
			part, rest = cutName(s[1:])
		}
		if part == "" || part == "." || part == ".." {
			return false
		}
		s = rest
	}
	return true
}

// parseModelPath reads the paths that name a model.
func parseModelPath(path string) (call Call, ok bool) {
	verb := ""
	if rest, found := strings.CutPrefix(path, "/v2/models/"); found {
		call.Model, call.Version, verb, ok = cutModel(rest, '/')
		call.Kind = modelVerb(verb)
	} else if rest, found := strings.CutPrefix(path, "/v1/models/"); found {
		call.Model, call.Version, verb, ok = cutModel(rest, ':')
		call.Kind = v1Verb(verb)
	} else if rest, found := strings.CutPrefix(path, "/v2/repository/models/"); found {
		call.Model, verb, _ = strings.Cut(rest, "/")
		call.Kind = repositoryVerb(verb)
		ok = validName(call.Model)
	} else {
		return parseRefusedPath(path)
	}
	if !ok || call.Kind == CallNone {
		return Call{}, false
	}
	return call, true
}

// cutModel parts M[/versions/V][<before>VERB]. A verb that is announced is never empty.
func cutModel(s string, before byte) (model, version, verb string, ok bool) {
	model, s = cutName(s)
	if !validName(model) {
		return "", "", "", false
	}
	if rest, found := strings.CutPrefix(s, "/versions/"); found {
		if version, s = cutName(rest); !validVersion(version) {
			return "", "", "", false
		}
	}
	if s == "" {
		return model, version, "", true
	}
	return model, version, s[1:], s[0] == before && len(s) > 1
}

// cutName parts s in front of the first byte that no name holds.
func cutName(s string) (name, rest string) {
	for i := range len(s) {
		if !nameByte(s[i]) {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func modelVerb(verb string) Kind {
	switch verb {
	case "":
		return CallModelMetadata
	case "infer":
		return CallModelInfer
	case "ready":
		return CallModelReady
	case "config":
		return CallModelConfig
	case "stats":
		return CallModelStatistics
	case "trace/setting":
		return CallTraceSetting
	}
	return CallNone
}

func v1Verb(verb string) Kind {
	switch verb {
	case "":
		return CallV1Model
	case "predict":
		return CallV1Predict
	}
	return CallNone
}

func repositoryVerb(verb string) Kind {
	switch verb {
	case "load":
		return CallRepositoryLoad
	case "unload":
		return CallRepositoryUnload
	}
	return CallNone
}

// ValidModelName reports whether s may name a model: 1 to 64 of A-Z a-z 0-9 _ . - and neither "." nor "..".
func ValidModelName(s string) bool { return validName(s) }

func validName(s string) bool {
	if s == "" || len(s) > longestName || s == "." || s == ".." {
		return false
	}
	_, rest := cutName(s)
	return rest == ""
}

// validVersion reports whether s stands for a version: its number or an alias.
func validVersion(s string) bool { return validNumber(s) || ValidAlias(s) }

// ValidAlias reports whether s may be another name of a version: a lower case letter, then at most 31 of a-z 0-9 _ -. No
// alias is a number.
func ValidAlias(s string) bool {
	if s == "" || len(s) > longestAlias || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// validNumber reports whether s is a version: a decimal number above zero in its one canonical spelling.
func validNumber(s string) bool {
	if s == "" || len(s) > longestVersion || s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func nameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c) || c == '_' || c == '.' || c == '-'
}

// unescapePath decodes percent signs once.
func unescapePath(path string) (string, bool) {
	decoded := make([]byte, 0, longestPath)
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if i+2 >= len(path) {
				return "", false
			}
			high, okHigh := hexDigit(path[i+1])
			low, okLow := hexDigit(path[i+2])
			c = high<<4 | low
			if !okHigh || !okLow || !nameByte(c) && c != ':' {
				return "", false
			}
			i += 2
		}
		decoded = append(decoded, c)
	}
	return string(decoded), true
}

// The values of Methods. QUERY (RFC 10008) is to POST what it asks for here: safe, idempotent, with a body.
const (
	getMethods      = "GET, HEAD"
	postMethods     = "POST"
	questionMethods = "POST, QUERY"
	settingMethods  = "GET, HEAD, POST"
)

// Methods returns the methods the call accepts, as the value of an Allow header.
func (c Call) Methods() string {
	switch c.Kind {
	case CallNone:
		return ""
	case CallModelInfer, CallV1Predict:
		return questionMethods
	case CallRepositoryIndex, CallRepositoryLoad, CallRepositoryUnload, CallNamedRepository, CallSharedMemoryChange:
		return postMethods
	case CallTraceSetting, CallLogSetting:
		return settingMethods
	default:
		return getMethods
	}
}

// Allows reports whether the call accepts the method.
func (c Call) Allows(method string) bool {
	switch c.Methods() {
	case getMethods:
		return method == "GET" || method == "HEAD"
	case postMethods:
		return method == "POST"
	case questionMethods:
		return method == "POST" || method == "QUERY"
	case settingMethods:
		return method == "GET" || method == "HEAD" || method == "POST"
	default:
		return false
	}
}

// String returns the call in one word, for logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[CallNone]
}

// kindNames is indexed by Kind.
var kindNames = [...]string{
	CallNone:             "none",
	CallServerMetadata:   "server_metadata",
	CallServerLive:       "server_live",
	CallServerReady:      "server_ready",
	CallModelList:        "model_list",
	CallModelMetadata:    "model_metadata",
	CallModelReady:       "model_ready",
	CallModelInfer:       "infer",
	CallModelConfig:      "model_config",
	CallModelStatistics:  "model_statistics",
	CallServerStatistics: "server_statistics",
	CallRepositoryIndex:  "repository_index",
	CallRepositoryLoad:   "repository_load",
	CallRepositoryUnload: "repository_unload",
	CallV1List:           "v1_list",
	CallV1Model:          "v1_model",
	CallV1Predict:        "v1_predict",

	CallNamedRepository:    "named_repository",
	CallTraceSetting:       "trace_setting",
	CallLogSetting:         "log_setting",
	CallSharedMemoryStatus: "shared_memory_status",
	CallSharedMemoryChange: "shared_memory_change",
}
