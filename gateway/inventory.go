package gateway

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/balancer"
	"ganglion/internal/oip"
)

// inventory finds out with each probe which models a node has ready. A node that has an index says it of all of them in one answer,
// as our own and Triton do; others, such as KServe's, are asked for one model after the other, some with each probe.
type inventory struct {
	indexless time.Time // until then the node counts as having no index
	next      int       // of the models that are asked for one by one
}

const (
	// indexlessFor is how long a node is not asked again for an index that it does not have: another server may take its
	// place.
	indexlessFor = time.Minute
	// modelsAtOnce is how many models are asked for with one probe, one after the other. A server answers each in a fraction of a
	// millisecond; two hundred models are known within seven seconds.
	modelsAtOnce = 32
)

// questions puts questions to one node.
type questions interface {
	// index is what the node has ready. errNoIndex means that it has no such call.
	index() ([]oip.IndexEntry, error)
	// ready reports whether the node has that version of the model ready, or some version if it is "". errUnreadable means that
	// it does not say, as KServe of any version.
	ready(model, version string) (bool, error)
}

var errNoIndex = errors.New("the node has no repository index")

// take asks for the models that somebody wants to know of, and tells the pool. What cannot be found out stays as it is.
func (v *inventory) take(n *balancer.Node, q questions) {
	models := n.Models()
	if len(models) == 0 {
		return
	}
	found := make(map[string]bool, len(models))
	if now := time.Now(); !now.Before(v.indexless) {
		entries, err := q.index()
		switch {
		case err == nil:
			models = v.lookUp(models, entries, found)
		case errors.Is(err, errNoIndex):
			v.indexless = now.Add(indexlessFor)
		default:
			return // it may have one
		}
	}
	v.oneByOne(models, q, found)
	n.Found(found)
}

// lookUp finds the models in the index, and returns those that it can say nothing of: of versions by other names than numbers.
func (v *inventory) lookUp(models []string, entries []oip.IndexEntry, found map[string]bool) (unsaid []string) {
	ready := make(map[string]bool, 2*len(entries))
	for _, e := range entries {
		if e.State == oip.StateReady || e.State == "" { // only those that are ready were asked for, and some do not say
			ready[e.Name] = true
			ready[joinVersion(e.Name, e.Version)] = true
		}
	}
	for _, name := range models {
		_, version := cutVersion(name)
		switch {
		case strings.Trim(version, "0123456789") != "":
			unsaid = append(unsaid, name)
		default:
			found[name] = ready[name]
		}
	}
	return unsaid
}

// oneByOne asks for some of the models, others each time.
func (v *inventory) oneByOne(models []string, q questions, found map[string]bool) {
	n := min(len(models), modelsAtOnce)
	for range n {
		name := models[v.next%len(models)]
		v.next++
		switch is, err := q.ready(cutVersion(name)); {
		case err == nil:
			found[name] = is
		case !errors.Is(err, errUnreadable):
			return // there is no connection to ask the others on
		}
	}
}

const versionsPart = "/versions/"

// cutVersion takes the name by which a pool knows a model apart; version is "" if the name has none.
func cutVersion(name string) (model, version string) {
	model, version, _ = strings.Cut(name, versionsPart)
	return model, version
}

func joinVersion(model, version string) string { return model + versionsPart + version }

// httpQuestions asks over HTTP.
type httpQuestions struct {
	ctx  context.Context
	conn *probeConn
}

// index implements questions. A server that is asked for what is ready only need not look at its files: Triton does otherwise.
func (q *httpQuestions) index() ([]oip.IndexEntry, error) {
	status, body, err := q.conn.do(q.ctx, fasthttp.MethodPost, "/v2/repository/index", oip.AppendIndexRequest(nil, true), indexAnswer)
	switch {
	case err != nil:
		return nil, err
	case status >= fasthttp.StatusBadRequest && status < fasthttp.StatusInternalServerError:
		return nil, errNoIndex
	case status != fasthttp.StatusOK:
		return nil, errUnreadable
	}
	return oip.ParseIndex(body)
}

// notReady are the statuses in which servers say that a model is not ready: Triton's, that of a model that is not there, KServe's.
var notReady = []int{fasthttp.StatusBadRequest, fasthttp.StatusNotFound, fasthttp.StatusServiceUnavailable}

// ready implements questions.
func (q *httpQuestions) ready(model, version string) (bool, error) {
	path := "/v2/models/" + url.PathEscape(model)
	if version != "" {
		path = joinVersion(path, url.PathEscape(version))
	}
	status, _, err := q.conn.do(q.ctx, fasthttp.MethodGet, path+"/ready", nil, probeAnswer)
	switch {
	case err != nil:
		return false, err
	case status == fasthttp.StatusOK:
		return true, nil
	case slices.Contains(notReady, status):
		return false, nil
	}
	return false, errUnreadable
}
