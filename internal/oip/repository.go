package oip

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

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
func AppendIndex(dst []byte, entries []IndexEntry) []byte {
	w := jsonWriter{buf: dst, first: true}
	w.list("", func() {
		for _, e := range entries {
			w.object("", func() {
				w.text("name", e.Name)
				if e.Version != "" {
					w.text("version", e.Version)
				}
				if e.State != "" {
					w.text("state", string(e.State))
				}
				if e.Reason != "" {
					w.text("reason", e.Reason)
				}
			})
		}
	})
	return w.buf
}

// ParseIndex reads a repository index as any server of the protocol sends it.
func ParseIndex(body []byte) ([]IndexEntry, error) {
	d := newAdminDecoder(body)
	var entries []IndexEntry
	err := d.list("the index", func(int) error {
		var e IndexEntry
		err := d.indexEntry(&e)
		entries = append(entries, e)
		return err
	})
	if err == nil {
		err = d.s.end()
	}
	if err != nil {
		return nil, Errorf(Internal, "cannot read a repository index: %v", err)
	}
	return entries, nil
}

// indexEntry reads one entry of an index.
func (d *decoder) indexEntry(e *IndexEntry) error {
	err := d.members("an entry of the index", func(name string) error {
		switch name {
		case "name":
			return d.textInto(&e.Name, name)
		case "version":
			return d.textInto(&e.Version, name)
		case "state":
			return d.textInto((*string)(&e.State), name)
		case "reason":
			return d.textInto(&e.Reason, name)
		default:
			return d.s.skip()
		}
	})
	if err == nil && e.Name == "" {
		err = invalid("an entry of the index has no \"name\"")
	}
	return err
}

// ParseIndexRequest reads the body of POST /v2/repository/index, which may be empty.
func ParseIndexRequest(body []byte) (onlyReady bool, err error) {
	err = repositoryRequest(body, func(d *decoder, name string) error {
		if name == "ready" {
			return d.flagInto(&onlyReady, name)
		}
		return d.s.skip()
	})
	return onlyReady, err
}

// AppendIndexRequest appends the body of POST /v2/repository/index.
func AppendIndexRequest(dst []byte, onlyReady bool) []byte {
	return append(strconv.AppendBool(append(dst, `{"ready":`...), onlyReady), '}')
}

// filePrefix is what the name of a load request's parameter that carries a file starts with.
const filePrefix = "file:"

// ParseLoadRequest reads the body of POST /v2/repository/models/M/load, which may be empty.
func ParseLoadRequest(body []byte) (o LoadOptions, err error) {
	err = repositoryParameters(body, func(d *decoder, name string) error {
		if name == "config" {
			var text string
			err := d.textInto(&text, name)
			o.Config = []byte(text)
			return err
		}
		file, found := strings.CutPrefix(name, filePrefix)
		if !found {
			return invalid("unknown parameter %s of a load request, expected \"config\" or \"file:VERSION/NAME\"", quoted(name))
		}
		content, err := d.base64(name)
		if o.Files == nil {
			o.Files = map[string][]byte{}
		}
		o.Files[file] = content
		return err
	})
	if err == nil && o.Files != nil && o.Config == nil {
		err = invalid("the request has files and no parameter \"config\", which must come with them")
	}
	if err != nil {
		return LoadOptions{}, err
	}
	return o, nil
}

// base64 reads a string that carries bytes.
func (d *decoder) base64(name string) ([]byte, error) {
	if d.s.peek() != '"' {
		return nil, d.s.mistyped("parameter "+quoted(name), "a string of base64")
	}
	text, err := d.s.str()
	if err != nil {
		return nil, err
	}
	content, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	if err != nil {
		return nil, invalid("parameter %s is not base64: %v", quoted(name), err)
	}
	return content, nil
}

// AppendLoadRequest appends the body of POST /v2/repository/models/M/load.
func AppendLoadRequest(dst []byte, o *LoadOptions) []byte {
	w := jsonWriter{buf: dst, first: true}
	w.object("", func() {
		w.object("parameters", func() {
			if o.Config != nil {
				w.text("config", string(o.Config))
			}
			for _, name := range slices.Sorted(maps.Keys(o.Files)) {
				w.key(filePrefix + name)
				w.buf = append(w.buf, '"')
				w.buf = append(base64.StdEncoding.AppendEncode(w.buf, o.Files[name]), '"')
			}
		})
	})
	return w.buf
}

// ParseUnloadRequest reads the body of POST /v2/repository/models/M/unload, which may be empty.
func ParseUnloadRequest(body []byte) (dependents bool, err error) {
	err = repositoryParameters(body, func(d *decoder, name string) error {
		if name != "unload_dependents" {
			return invalid("unknown parameter %s of an unload request, expected \"unload_dependents\"", quoted(name))
		}
		return d.flagInto(&dependents, name)
	})
	return dependents, err
}

// AppendUnloadRequest appends the body of POST /v2/repository/models/M/unload.
func AppendUnloadRequest(dst []byte, dependents bool) []byte {
	return append(strconv.AppendBool(append(dst, `{"parameters":{"unload_dependents":`...), dependents), "}}"...)
}

// repositoryRequest reads a body that is an object or empty.
func repositoryRequest(body []byte, member func(d *decoder, name string) error) error {
	d := newAdminDecoder(body)
	if d.s.peek() == 0 && d.s.pos == len(body) {
		return nil
	}
	err := d.members("the request", func(name string) error { return member(&d, name) })
	if err != nil {
		return err
	}
	return d.s.end()
}

// repositoryParameters reads the "parameters" of such a body.
func repositoryParameters(body []byte, parameter func(d *decoder, name string) error) error {
	return repositoryRequest(body, func(d *decoder, name string) error {
		if name != "parameters" {
			return d.s.skip()
		}
		return d.members(`"parameters"`, func(name string) error { return parameter(d, name) })
	})
}
