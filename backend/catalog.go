package backend

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ganglion/internal/oip"
)

// The states that a version can be in.
const (
	loading     = oip.StateLoading
	ready       = oip.StateReady
	unavailable = oip.StateUnavailable
	unloading   = oip.StateUnloading
)

// latest is the alias that every model has: the highest version that is ready.
const latest = "latest"

// catalog is what is known of every model at one moment. It is immutable: requests read one, the loader publishes the next.
type catalog struct {
	models map[string]*entry
	names  []string // sorted
}

// entry is one model.
type entry struct {
	name     string
	problem  string            // why it has no versions, "" mostly
	versions []version         // highest first
	aliases  map[string]string // name to version number, besides latest
}

// version is one version of a model.
type version struct {
	number   string
	state    oip.ModelState
	reason   string    // why it is not ready; of one that is, why it could not be loaded again
	instance *instance // set when ready
}

// newCatalog lists what the repository has, all of it still to be loaded.
func newCatalog(folders []folder) *catalog {
	c := &catalog{}
	for _, f := range folders {
		e := &entry{name: f.name, problem: f.problem}
		for _, number := range slices.Backward(f.versions) {
			e.versions = append(e.versions, version{number: number, state: loading, reason: "it waits to be loaded"})
		}
		c = c.with(e)
	}
	return c
}

// with is the catalog after a model has become e.
func (c *catalog) with(e *entry) *catalog {
	next := &catalog{models: maps.Clone(c.models), names: c.names}
	if next.models == nil {
		next.models = map[string]*entry{}
	}
	next.models[e.name] = e
	if at, found := slices.BinarySearch(c.names, e.name); !found {
		next.names = slices.Insert(slices.Clone(c.names), at, e.name)
	}
	return next
}

// without is the catalog after a model has gone.
func (c *catalog) without(name string) *catalog {
	next := &catalog{models: maps.Clone(c.models), names: slices.Clone(c.names)}
	delete(next.models, name)
	next.names = slices.DeleteFunc(next.names, func(have string) bool { return have == name })
	return next
}

// count tells how many versions are ready and how many models and versions are not.
func (c *catalog) count() (loaded, failed int) {
	for _, e := range c.models {
		if e.problem != "" {
			failed++
		}
		for _, v := range e.versions {
			if v.state == ready {
				loaded++
			} else {
				failed++
			}
		}
	}
	return loaded, failed
}

// with is the model after one of its versions has become v.
func (e *entry) with(v version) *entry {
	next := *e
	next.problem = ""
	next.versions = slices.Clone(e.versions)
	at, found := slices.BinarySearchFunc(e.versions, v.number, func(have version, number string) int {
		return compareVersions(number, have.number)
	})
	if found {
		next.versions[at] = v
	} else {
		next.versions = slices.Insert(next.versions, at, v)
	}
	return &next
}

// version finds a version by its number.
func (e *entry) version(number string) *version {
	for i := range e.versions {
		if e.versions[i].number == number {
			return &e.versions[i]
		}
	}
	return nil
}

// find returns the instance that serves a request for a version, which is a number, an alias, or "" for the highest that is
// ready. The error says what the client should read.
func (c *catalog) find(name, wanted string) (*instance, error) {
	e, ok := c.models[name]
	if !ok {
		return nil, unknownModel(name)
	}
	if wanted == "" || wanted == latest {
		for i := range e.versions {
			if in := e.versions[i].instance; in != nil {
				return in, nil
			}
		}
		return nil, oip.Refusef(oip.NotReady, "model %q is not ready: %s", name, e.why())
	}
	number, called := wanted, ""
	if target, ok := e.aliases[wanted]; ok {
		number, called = target, fmt.Sprintf(" (%q)", wanted)
	}
	v := e.version(number)
	switch {
	case v == nil && e.problem != "":
		return nil, oip.Refusef(oip.NotReady, "model %q is not ready: %s", name, e.problem)
	case v == nil && oip.ValidAlias(wanted) && called == "":
		return nil, oip.Errorf(oip.NotFound, "Request for unknown model: '%s' version %s is not found: its aliases are %s", name, wanted, e.aliasNames())
	case v == nil:
		return nil, oip.Errorf(oip.NotFound, "Request for unknown model: '%s' version %s%s is not found", name, number, called)
	case v.instance == nil:
		return nil, oip.Refusef(oip.NotReady, "model %q version %s%s is not ready: %s", name, number, called, v.reason)
	default:
		return v.instance, nil
	}
}

// unknownModel is the refusal of a name that no model has. Clients look for this text.
func unknownModel(name string) error {
	return oip.Errorf(oip.NotFound, "Request for unknown model: '%s' is not found", name)
}

// aliasNames lists what a version can be called besides its number.
func (e *entry) aliasNames() string {
	return strings.Join(append([]string{latest}, slices.Sorted(maps.Keys(e.aliases))...), ", ")
}

// why says why no version of the model is ready.
func (e *entry) why() string {
	if e.problem != "" || len(e.versions) == 0 {
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
