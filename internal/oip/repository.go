package oip

// ModelState is the state of a model version in the repository index.
type ModelState string

// The states.
const (
	StateUnknown     ModelState = "UNKNOWN"
	StateReady       ModelState = "READY"
	StateUnavailable ModelState = "UNAVAILABLE"
	StateLoading     ModelState = "LOADING"
	StateUnloading   ModelState = "UNLOADING"
)

// IndexEntry is one version of a model in the repository index.
type IndexEntry struct {
	Name    string
	Version string     // "" for a model none of whose versions was ever loaded
	State   ModelState // "" for the same
	Reason  string     // why it is not ready; "" when it is
}

// LoadOptions are what a load request may say instead of what lies in the repository.
type LoadOptions struct {
	// Config is a model configuration as JSON (see ParseModelConfig) to use in place of the repository's; nil = none.
	Config []byte

	// Files are the model's files in place of the repository's, by VERSION/NAME; nil = none. With files there is a Config.
	Files map[string][]byte
}

// AppendIndex appends the repository index as JSON.
func AppendIndex(dst []byte, entries []IndexEntry) []byte { return dst }

// ParseIndex reads a repository index as any server of the protocol sends it.
func ParseIndex(body []byte) ([]IndexEntry, error) { return nil, Errorf(Unsupported, "not built") }

// ParseIndexRequest reads the body of POST /v2/repository/index, which may be empty.
func ParseIndexRequest(body []byte) (onlyReady bool, err error) {
	return false, Errorf(Unsupported, "not built")
}

// AppendIndexRequest appends the body of POST /v2/repository/index.
func AppendIndexRequest(dst []byte, onlyReady bool) []byte { return dst }

// ParseLoadRequest reads the body of POST /v2/repository/models/M/load, which may be empty.
func ParseLoadRequest(body []byte) (LoadOptions, error) {
	return LoadOptions{}, Errorf(Unsupported, "not built")
}

// AppendLoadRequest appends the body of POST /v2/repository/models/M/load.
func AppendLoadRequest(dst []byte, o *LoadOptions) []byte { return dst }

// ParseUnloadRequest reads the body of POST /v2/repository/models/M/unload, which may be empty.
func ParseUnloadRequest(body []byte) (dependents bool, err error) {
	return false, Errorf(Unsupported, "not built")
}

// AppendUnloadRequest appends the body of POST /v2/repository/models/M/unload.
func AppendUnloadRequest(dst []byte, dependents bool) []byte { return dst }
