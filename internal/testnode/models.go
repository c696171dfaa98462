package testnode

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// gatewayProbe is the User-Agent of a gateway's probes.
const gatewayProbe = "ganglion-probe"

// inventory is which models a node says it has ready.
type inventory struct {
	names   []string // nil = any
	indexed bool
	asked   int // for the index
}

// SetModels makes the node say that it has these models ready, and no others,
// each as NAME or NAME/versions/N. It says so in its index, if indexed, and
// when it is asked for one. A node starts with any model and without an index.
// Inferences do not care.
func (n *Node) SetModels(indexed bool, names ...string) {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	n.script.models = inventory{names: append([]string{}, names...), indexed: indexed}
}

// IndexProbes is how many probes have asked for the index since SetModels.
func (n *Node) IndexProbes() int {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	return n.script.models.asked
}

// asksIndex reports whether a probe asks for the index. Those that clients ask
// for are the script's business.
func asksIndex(r *http.Request) bool {
	return r.URL.Path == "/v2/repository/index" && r.UserAgent() == gatewayProbe
}

func (n *Node) answerIndex(w http.ResponseWriter) {
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	m := &n.script.models
	m.asked++
	w.Header().Set("Content-Type", "application/json")
	if !m.indexed {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"no such call"}`)
		return
	}
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		State   string `json:"state"`
	}
	entries := []entry{}
	for _, name := range m.names {
		model, version, versioned := strings.Cut(name, "/versions/")
		if !versioned {
			version = "1"
		}
		entries = append(entries, entry{model, version, "READY"})
	}
	_ = json.NewEncoder(w).Encode(entries) // to a client that may have left, like all answers here
}

// has reports whether the path of a readiness endpoint asks for what is ready.
func (n *Node) has(path string) bool {
	name, isModel := strings.CutPrefix(strings.TrimSuffix(path, "/ready"), "/v2/models/")
	n.script.mu.Lock()
	defer n.script.mu.Unlock()
	return !isModel || n.script.models.names == nil || slices.Contains(n.script.models.names, name)
}
