package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// answerIndex answers POST /v2/repository/index.
func (x *exchange) answerIndex() {
	onlyReady, err := oip.ParseIndexRequest(x.req.Body())
	if err != nil {
		x.fail(failInvalid(err))
		return
	}
	entries, f := x.index()
	if f != nil {
		x.fail(*f)
		return
	}
	if onlyReady {
		entries = slices.DeleteFunc(entries, func(e oip.IndexEntry) bool { return e.State != oip.StateReady })
	}
	x.answerJSON(text(oip.AppendIndex(nil, entries)))
}

// answerModelList answers GET /v2/models and GET /v1/models: the names of what is ready. KServe's own servers have such a list
// and no index.
func (x *exchange) answerModelList() {
	names := map[string]bool{}
	entries, f := x.index()
	for _, e := range entries {
		if e.State == oip.StateReady {
			names[e.Name] = true
		}
	}
	if f != nil && lacksCall(f.status) {
		f = x.listModels(names)
	}
	if f != nil {
		x.fail(*f)
		return
	}
	body := []byte(`{"models":[`)
	for i, name := range slices.Sorted(maps.Keys(names)) {
		if i > 0 {
			body = append(body, ',')
		}
		body = oip.AppendJSONString(body, name)
	}
	x.answerJSON(text(append(body, "]}"...)))
}

// listModels adds the models that nodes without an index name in their own lists.
func (x *exchange) listModels(names map[string]bool) *failure {
	pools := x.table.poolsOfRoutes(true)
	replies := x.askAll(reachable(pools), &inquiry{method: fasthttp.MethodGet, target: "/v2/models", timeout: spanTimeout})
	answered := false
	for _, r := range replies {
		var list struct {
			Models []string `json:"models"`
		}
		if !r.good() || json.Unmarshal(r.body, &list) != nil {
			continue
		}
		answered = true
		for _, name := range list.Models {
			if x.table.find(name) != nil {
				names[name] = true
			}
		}
	}
	if answered {
		return nil
	}
	f := failSpan(replies, longestRetryAfter(pools))
	return &f
}

// failInvalid is for a request that the gateway has read itself.
func failInvalid(err error) failure {
	return failure{reason: reasonBadRequest, status: fasthttp.StatusBadRequest, text: err.Error()}
}

// index is the repository index of all pools that routes lead to, merged: only of models that a client can reach.
func (x *exchange) index() ([]oip.IndexEntry, *failure) {
	pools := x.table.poolsOfRoutes(true)
	nodes := reachable(pools)
	replies := x.askAll(nodes, &inquiry{
		method: fasthttp.MethodPost, target: "/v2/repository/index", body: oip.AppendIndexRequest(nil, false), timeout: spanTimeout,
	})
	m := indexMerge{table: x.table, listed: map[*node][]oip.IndexEntry{}}
	for i := range replies {
		r := &replies[i]
		if !r.good() {
			continue
		}
		entries, err := oip.ParseIndex(r.body)
		if err != nil {
			x.cause = fmt.Errorf("node %s: %w", r.node.address, err)
			r.status, r.err = 0, err
			continue
		}
		m.listed[r.node] = entries
	}
	if len(m.listed) == 0 {
		f := failSpan(replies, longestRetryAfter(pools))
		return nil, &f
	}
	m.mute = muteNodes(nodesOf(pools), replies)
	return m.merge(), nil
}

// muteNodes are those that gave no index but should have: those that have no such call are not among them, those that
// nobody asked because they are down are.
func muteNodes(all []*node, replies []reply) []*node {
	return slices.DeleteFunc(all, func(n *node) bool {
		return slices.ContainsFunc(replies, func(r reply) bool { return r.node == n && (r.good() || lacksCall(r.status)) })
	})
}

// longestRetryAfter is when every one of the pools may have a node again.
func longestRetryAfter(pools []*upstream) (longest time.Duration) {
	for _, up := range pools {
		longest = max(longest, up.RetryAfter())
	}
	return longest
}

// indexMerge makes one index of those of nodes.
type indexMerge struct {
	table  *table
	listed map[*node][]oip.IndexEntry // what nodes answered
	mute   []*node                    // without an answer
}

// modelVersion names an entry of an index.
type modelVersion struct{ name, version string }

// merge returns the entries by name and version.
func (m *indexMerge) merge() []oip.IndexEntry {
	found := map[modelVersion]bool{}
	for _, entries := range m.listed {
		for _, e := range entries {
			if m.table.find(e.Name) != nil {
				found[modelVersion{e.Name, e.Version}] = true
			}
		}
	}
	merged := make([]oip.IndexEntry, 0, len(found))
	for which := range found {
		merged = append(merged, m.entry(which))
	}
	slices.SortFunc(merged, func(a, b oip.IndexEntry) int {
		if by := strings.Compare(a.Name, b.Name); by != 0 {
			return by
		}
		return compareVersions(a.Version, b.Version)
	})
	return dropUnloaded(merged)
}

// dropUnloaded takes out the entry without a version of a model that has others: on some node no version was ever loaded.
func dropUnloaded(entries []oip.IndexEntry) []oip.IndexEntry {
	return slices.DeleteFunc(entries, func(e oip.IndexEntry) bool {
		return e.Version == "" && slices.ContainsFunc(entries, func(o oip.IndexEntry) bool { return o.Name == e.Name && o.Version != "" })
	})
}

// entry is what the nodes say about one version, as one: ready if any node that clients are answered by has it so, since then
// it can be served. The reason tells which nodes say otherwise. Only pools where the version is known count: a canary's pool may well hold
// others than the stable one.
func (m *indexMerge) entry(which modelVersion) oip.IndexEntry {
	e := oip.IndexEntry{Name: which.name, Version: which.version}
	var ready int
	var served bool // by a node that is not the shadow's alone
	var others []string
	said := map[string]bool{}
	nodes := m.concerned(which)
	for _, n := range nodes {
		state, reason := m.stateOn(n, which)
		if rank(state) > rank(e.State) {
			e.State = state
		}
		if state == oip.StateReady {
			ready++
			served = served || m.answersClients(n, which.name)
			continue
		}
		words := strings.Trim(string(state)+": "+reason, ": ")
		said[words] = true
		others = append(others, n.address+": "+words)
	}
	switch {
	case ready > 0 && len(others) > 0:
		e.Reason = fmt.Sprintf("ready on %d of %d nodes; %s", ready, len(nodes), strings.Join(others, "; "))
	case ready == 0 && len(said) == 1: // all say the same
		_, e.Reason = m.stateOn(nodes[0], which)
	case ready == 0:
		e.Reason = strings.Join(others, "; ")
	}
	if ready > 0 && !served {
		e.State = oip.StateUnavailable
		e.Reason = strings.Trim("ready only for the shadow, which answers no client; "+strings.Join(others, "; "), "; ")
	}
	return e
}

// answersClients reports whether the node is of a pool whose answers clients of the model get.
func (m *indexMerge) answersClients(n *node, model string) bool {
	return slices.ContainsFunc(m.table.find(model).pools(false), func(up *upstream) bool { return slices.Contains(up.nodes(), n) })
}

// concerned are the nodes of the pools that know of the version, less those that have no index.
func (m *indexMerge) concerned(which modelVersion) []*node {
	var nodes []*node
	for _, up := range m.table.find(which.name).pools(true) {
		knows := slices.ContainsFunc(up.nodes(), func(n *node) bool { return m.has(n, which) })
		for _, n := range up.nodes() {
			_, answered := m.listed[n]
			if knows && !slices.Contains(nodes, n) && (answered || slices.Contains(m.mute, n)) {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes
}

// has reports whether the node lists the version.
func (m *indexMerge) has(n *node, which modelVersion) bool {
	return slices.ContainsFunc(m.listed[n], func(e oip.IndexEntry) bool { return e.Name == which.name && e.Version == which.version })
}

// stateOn is what the node says about the version.
func (m *indexMerge) stateOn(n *node, which modelVersion) (oip.ModelState, string) {
	if slices.Contains(m.mute, n) {
		return "", noAnswer
	}
	for _, e := range m.listed[n] {
		if e.Name == which.name && e.Version == which.version {
			return e.State, e.Reason
		}
	}
	return "", "not there"
}

// rank orders states by how near they are to serving.
func rank(s oip.ModelState) int {
	return slices.Index([]oip.ModelState{
		"", oip.StateUnknown, oip.StateUnavailable, oip.StateUnloading, oip.StateLoading, oip.StateReady,
	}, s)
}
