package oip

import "strings"

// parseRefusedPath reads the paths of extensions that are known and not offered. Names of regions and repositories in
// them are of no interest.
func parseRefusedPath(path string) (call Call, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	if !ok {
		return Call{}, false
	}
	first, rest, _ := strings.Cut(rest, "/")
	switch first {
	case "systemsharedmemory", "cudasharedmemory":
		call.Kind = sharedMemoryVerb(rest)
	case "repository":
		call.Kind = namedRepositoryVerb(rest)
	}
	return call, call.Kind != CallNone
}

// sharedMemoryVerb reads [region/R/]VERB.
func sharedMemoryVerb(s string) Kind {
	if region, found := strings.CutPrefix(s, "region/"); found {
		if _, s, found = strings.Cut(region, "/"); !found || region[0] == '/' {
			return CallNone
		}
	}
	switch s {
	case "status":
		return CallSharedMemoryStatus
	case "register", "unregister":
		return CallSharedMemoryChange
	}
	return CallNone
}

// namedRepositoryVerb reads R/index and R/models/M/VERB.
func namedRepositoryVerb(s string) Kind {
	repository, s := cutName(s)
	if !validName(repository) {
		return CallNone
	}
	if s == "/index" {
		return CallNamedRepository
	}
	s, found := strings.CutPrefix(s, "/models/")
	model, verb, _ := strings.Cut(s, "/")
	if !found || !validName(model) || repositoryVerb(verb) == CallNone {
		return CallNone
	}
	return CallNamedRepository
}

// RefuseCall returns the error for a call that is known and not offered, by node and gateway alike; nil for all others.
func RefuseCall(k Kind) error {
	switch k {
	case CallNamedRepository:
		return Errorf(Unsupported, "named repositories are not supported, leave the repository's name out: "+
			"/v2/repository/index, /v2/repository/models/NAME/load")
	case CallTraceSetting:
		return Errorf(Unsupported, "trace settings are not supported: tracing is configured where the server runs")
	case CallLogSetting:
		return Errorf(Unsupported, "log settings are not supported: logging is configured where the server runs")
	case CallSharedMemoryStatus, CallSharedMemoryChange:
		return Errorf(Unsupported, "shared memory is not supported, send the data with the request")
	default:
		return nil
	}
}
