package gateway

import (
	"time"

	"ganglion/internal/discovery"
)

// SourceStatus is one place from which a pool learns who its nodes are.
type SourceStatus struct {
	Source   string            `json:"source"`            // such as "dns nodes.internal:9000"
	Nodes    int               `json:"nodes"`             // in its list
	Error    string            `json:"error,omitempty"`   // why the list may be old
	Partial  bool              `json:"partial,omitempty"` // the list is new, but lacks what the error says
	Looks    uint64            `json:"looks"`
	Changes  uint64            `json:"changes"`               // of the list
	Failures map[string]uint64 `json:"failures,omitempty"`    // looks that failed, by kind
	Age      *float64          `json:"age_seconds,omitempty"` // since the last look that found a list; left out while there was none
	Next     float64           `json:"next_look_seconds"`     // until the next look
}

// sources is what there is to say about where the members come from.
func (r *roster) sources() (all []SourceStatus) {
	for _, w := range r.watchers {
		st := w.Status()
		s := SourceStatus{
			Source: st.Source, Nodes: len(st.Nodes), Partial: st.Partial, Looks: st.Looks, Changes: st.Changes,
			Next: max(0, time.Until(st.Next).Seconds()), Failures: map[string]uint64{},
		}
		if st.Error != nil {
			s.Error = st.Error.Error()
		}
		if !st.Good.IsZero() {
			age := time.Since(st.Good).Seconds()
			s.Age = &age
		}
		for i, n := range st.Failures {
			if n > 0 {
				s.Failures[discovery.Kind(i).String()] = n
			}
		}
		all = append(all, s)
	}
	return all
}

// Series of discovery, all by pool and source.
var (
	sourceLooks    = series("discovery_looks_total", "Looks at a source of nodes.", "pool", "source")
	sourceFailures = series("discovery_failures_total", "Looks at a source of nodes that failed, at least in part, by what was in the way.", "pool", "source", "kind")
	sourceChanges  = series("discovery_changes_total", "Changes of a source's list.", "pool", "source")
	sourceNodes    = series("discovery_nodes", "Nodes in a source's list.", "pool", "source")
	sourceAge      = series("discovery_age_seconds", "Time since the last look that found a list; -1 while there was none.", "pool", "source")
)

func (s sink) collectSources(pool string, r *roster) {
	for _, w := range r.watchers {
		st := w.Status()
		s.counter(sourceLooks, st.Looks, pool, st.Source)
		s.counter(sourceChanges, st.Changes, pool, st.Source)
		s.gauge(sourceNodes, float64(len(st.Nodes)), pool, st.Source)
		age := -1.0
		if !st.Good.IsZero() {
			age = time.Since(st.Good).Seconds()
		}
		s.gauge(sourceAge, age, pool, st.Source)
		for i, n := range st.Failures {
			s.counter(sourceFailures, n, pool, st.Source, discovery.Kind(i).String())
		}
	}
}
