package backend

import (
	"fmt"
	"maps"
	"slices"

	"ganglion/internal/oip"
)

// state is what the repository index says of a version.
type state string

const (
	loading     state = "LOADING"
	ready       state = "READY"
	unavailable state = "UNAVAILABLE"
)

// catalog is what is known of every model at one moment. It is immutable: requests read one, loading publishes the next.
type catalog struct {
	models map[string]*entry
	names  []string // sorted
}

// entry is one model.
type entry struct {
	name     string
	problem  string    // why it has no versions, "" mostly
	versions []version // highest first
}

// version is one version of a model.
type version struct {
	number   string
	state    state
	reason   string    // why it is not ready
	instance *instance // set when ready
}

// newCatalog lists what the repository has, all of it still to be loaded.
func newCatalog(folders []folder) *catalog {
	c := &catalog{models: map[string]*entry{}}
	for _, f := range folders {
		e := &entry{name: f.name, problem: f.problem}
		for _, number := range slices.Backward(f.versions) {
			e.versions = append(e.versions, version{number: number, state: loading, reason: "it waits to be loaded"})
		}
		c.models[f.name] = e
		c.names = append(c.names, f.name)
	}
	slices.Sort(c.names)
	return c
}

// with is the catalog after one version has become v.
func (c *catalog) with(name string, v version) *catalog {
	next := &catalog{models: maps.Clone(c.models), names: c.names}
	e := *next.models[name]
	e.versions = slices.Clone(e.versions)
	i := slices.IndexFunc(e.versions, func(have version) bool { return have.number == v.number })
	e.versions[i] = v
	next.models[name] = &e
	return next
}

// find returns the instance that serves a request: the version asked for, or the highest that is ready. The error says
// what the client should read.
func (c *catalog) find(name, number string) (*instance, error) {
	e, ok := c.models[name]
	if !ok {
		return nil, oip.Errorf(oip.NotFound, "Request for unknown model: '%s' is not found", name) // clients look for this text
	}
	for i := range e.versions {
		if v := &e.versions[i]; number == v.number || number == "" && v.state == ready {
			if v.instance == nil {
				return nil, oip.Refusef(oip.NotReady, "model %q version %s is not ready: %s", name, number, v.reason)
			}
			return v.instance, nil
		}
	}
	if number != "" {
		return nil, oip.Errorf(oip.NotFound, "Request for unknown model: '%s' version %s is not found", name, number)
	}
	return nil, oip.Refusef(oip.NotReady, "model %q is not ready: %s", name, e.why())
}

// why says why no version of the model is ready.
func (e *entry) why() string {
	if e.problem != "" {
		return e.problem
	}
	highest := e.versions[0]
	why := "version " + highest.number + ": " + highest.reason
	if others := len(e.versions) - 1; others > 0 {
		why += fmt.Sprintf("; nor is any of its %d other versions", others)
	}
	return why
}

// readyVersions are the numbers of the versions that are ready, ascending.
func (e *entry) readyVersions() []string {
	numbers := []string{}
	for _, v := range slices.Backward(e.versions) {
		if v.state == ready {
			numbers = append(numbers, v.number)
		}
	}
	return numbers
}
