package gateway

import (
	"cmp"
	"slices"
	"time"

	"ganglion/balancer"
)

// Status is the state of a gateway at one moment, for people and scripts.
type Status struct {
	Version  string        `json:"version"`
	Uptime   float64       `json:"uptime_seconds"`
	Ready    bool          `json:"ready"`
	Reason   string        `json:"reason,omitempty"` // why it is not ready
	InFlight int64         `json:"in_flight"`
	Pools    []PoolStatus  `json:"pools"`
	Routes   []RouteStatus `json:"routes"`
	Config   ConfigStatus  `json:"config"`
}

// PoolStatus is one pool.
type PoolStatus struct {
	Name  string       `json:"name"`
	Ready bool         `json:"ready"`
	Nodes []NodeStatus `json:"nodes"`

	Queue     QueueStatus `json:"queue"`
	Admission string      `json:"admission"` // off, observe or enforce

	Hedge *HedgeStatus `json:"hedge,omitempty"` // if the pool hedges

	Discovery []SourceStatus `json:"discovery,omitempty"` // where nodes come from that are not in the file
}

// QueueStatus is where the requests of a pool wait while every fit node is at its limit.
type QueueStatus struct {
	Waiting    int64             `json:"waiting"`
	ByPriority map[int]int       `json:"waiting_by_priority,omitempty"`  // of those, 1 goes first
	Longest    float64           `json:"longest_wait_seconds,omitempty"` // of those that wait, so far
	Max        int               `json:"max"`
	Timeout    string            `json:"timeout"`
	Expected   float64           `json:"expected_wait_seconds,omitempty"` // of one that came now
	Waited     uint64            `json:"waited"`                          // had to, since the pool was made
	Refused    map[string]uint64 `json:"refused,omitempty"`               // by reason
}

// HedgeStatus is what a pool does about first attempts that are late.
type HedgeStatus struct {
	Sent   uint64             `json:"sent"`
	Won    uint64             `json:"won"`
	Denied uint64             `json:"denied"`
	After  map[string]float64 `json:"after_seconds,omitempty"` // by model, of those of which enough is known; "*" = all others
}

// NodeStatus is one node.
type NodeStatus struct {
	Address  string `json:"address"`
	Weight   int    `json:"weight"`
	State    string `json:"state"`           // up, down or unknown, by probes
	Circuit  string `json:"circuit"`         // closed, half-open or open
	Cause    string `json:"cause,omitempty"` // what the last failed probe said
	InFlight int64  `json:"in_flight"`
	Limit    int64  `json:"limit,omitempty"`       // of in_flight
	Found    int64  `json:"limit_found,omitempty"` // by admission, in force or not
	Attempts uint64 `json:"attempts"`
	Failures uint64 `json:"failures"`           // it did not answer
	Faults   uint64 `json:"faults"`             // it answered that it failed
	Declined uint64 `json:"declined,omitempty"` // attempts that it declined, which are none of those
	Suspect  bool   `json:"suspect,omitempty"`  // it gives no sign of life
	// Draining is why it gets nothing new: weight, operator, node, unlisted, or left: it is none of the pool any more, and
	// finishes what it has.
	Draining string `json:"draining,omitempty"`

	Models []ModelStatus `json:"models,omitempty"` // on the node

	Transport string      `json:"transport"`      // how requests reach it now: hop, http/1.1 or grpc
	Load      *LoadStatus `json:"load,omitempty"` // what it said of itself with its last answer
}

// ModelStatus is one model on one node.
type ModelStatus struct {
	Model    string  `json:"model"`   // "*" = all that are not known by name
	Circuit  string  `json:"circuit"` // closed, half-open or open
	Attempts uint64  `json:"attempts"`
	Failures uint64  `json:"failures"`
	Faults   uint64  `json:"faults"`
	Ejected  string  `json:"ejected,omitempty"`      // as an outlier: slow, silent or failing, with the figures
	Missing  bool    `json:"missing,omitempty"`      // the node says that it does not have it
	Rest     float64 `json:"rest_seconds,omitempty"` // for which it asked to be left alone
}

// LoadStatus is a node's load in its own words.
type LoadStatus struct {
	Queued   uint32  `json:"queued"`
	InFlight uint32  `json:"in_flight"`
	Wait     float64 `json:"wait_seconds"` // for a request that came now
}

// RouteStatus is one route.
type RouteStatus struct {
	Name     string          `json:"name"`
	Timeout  string          `json:"timeout"`
	CacheTTL string          `json:"cache_ttl,omitempty"`
	Variants []VariantStatus `json:"variants"`
}

// VariantStatus is one target of a route.
type VariantStatus struct {
	Name    string `json:"name"`
	Pool    string `json:"pool"`
	Version string `json:"version,omitempty"`

	// Percent is the share of the route's inferences that it answers, unless a header forces the choice; the shadow's is that
	// of the answered ones which it gets a copy of.
	Percent float64 `json:"percent"`
}

// Status reads the state of the gateway. Any goroutine may call it.
func (g *Gateway) Status() Status {
	st := Status{Version: g.version, Uptime: time.Since(g.began).Seconds(), InFlight: g.inFlight.Load(), Config: g.configStatus()}
	if err := g.Ready(); err != nil {
		st.Reason = err.Error()
	}
	st.Ready = st.Reason == ""
	t := g.table.Load()
	for _, up := range t.pools {
		st.Pools = append(st.Pools, up.status())
	}
	for _, rt := range t.routes {
		st.Routes = append(st.Routes, rt.status())
	}
	return st
}

func (up *upstream) status() PoolStatus {
	ps := PoolStatus{Name: up.Name(), Ready: up.Ready(), Discovery: up.roster.sources(), Queue: queueStatus(up.Queue()), Admission: up.Admission(), Hedge: up.hedgeStatus()}
	for _, n := range up.Nodes() {
		st := NodeStatus{
			Address: n.Address, Weight: n.Weight, State: n.State.String(), Circuit: n.Circuit.String(), Cause: n.Cause,
			InFlight: n.Inflight, Limit: n.Limit, Found: n.Found, Attempts: n.Attempts, Failures: n.Failures, Faults: n.Faults,
			Declined: memberOf(n.Node).declined.Load(), Suspect: n.Suspect, Draining: up.drainCause(n), Models: modelStatus(n.Models),
			Transport: memberOf(n.Node).transport.stats().name,
		}
		if l := n.Load; l.Known {
			st.Load = &LoadStatus{Queued: l.Queued, InFlight: l.InFlight, Wait: l.Wait.Seconds()}
		}
		ps.Nodes = append(ps.Nodes, st)
	}
	ps.Nodes = append(ps.Nodes, up.departed()...)
	return ps
}

// departed are the nodes that are no members any more and have requests in flight: whoever stops them has to know.
func (up *upstream) departed() (all []NodeStatus) {
	members := map[*balancer.Node]bool{}
	for _, n := range up.Members() {
		members[n] = true
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	for n := range up.present {
		if inFlight := n.of.Inflight(); !members[n.of] && inFlight > 0 {
			all = append(all, NodeStatus{
				Address: n.address, State: n.of.State().String(), Circuit: n.of.Circuit().String(), InFlight: inFlight, Draining: "left",
				Transport: n.transport.stats().name,
			})
		}
	}
	slices.SortFunc(all, func(a, b NodeStatus) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

// queueStatus leaves out the priorities of which nobody waits, and the reasons for which nobody was refused.
func queueStatus(q balancer.QueueStatus) QueueStatus {
	qs := QueueStatus{
		Waiting: q.Waiting, Longest: q.Longest.Seconds(), Max: q.Max, Timeout: q.Timeout.String(), Expected: q.Expected.Seconds(), Waited: q.Waited,
	}
	for priority, n := range q.ByPriority {
		if n > 0 {
			if qs.ByPriority == nil {
				qs.ByPriority = map[int]int{}
			}
			qs.ByPriority[priority] = n
		}
	}
	for _, why := range balancer.QueueReasons() {
		if n := q.Refused[why]; n > 0 {
			if qs.Refused == nil {
				qs.Refused = map[string]uint64{}
			}
			qs.Refused[why.String()] = n
		}
	}
	return qs
}

// drainCause is why a node drains, "" if it does not.
func (up *upstream) drainCause(n balancer.NodeStatus) string {
	switch {
	case n.Drained:
		return "operator"
	case n.Leaving:
		return "node"
	case up.roster.unlisted(n.Address):
		return "unlisted"
	case n.Weight == 0:
		return "weight"
	}
	return ""
}

// modelStatus are the models of a node that it has been asked for, or of which there is something else to say.
func modelStatus(models []balancer.ModelStatus) (all []ModelStatus) {
	for _, m := range models {
		st := ModelStatus{
			Model: or(m.Model, anyModel), Circuit: m.Circuit.String(),
			Attempts: m.Successes + m.Failures + m.Faults + m.Neutral, Failures: m.Failures, Faults: m.Faults,
			Ejected: ejectedFor(m), Missing: m.Missing, Rest: m.Rest.Seconds(),
		}
		if m.Asked() || m.Ejected || m.Missing {
			all = append(all, st)
		}
	}
	return all
}

// ejectedFor says in a line why a model is ejected from a node, "" if it is not.
func ejectedFor(m balancer.ModelStatus) string {
	if !m.Ejected {
		return ""
	}
	return m.Why.String()
}

func (rt *route) status() RouteStatus {
	rs := RouteStatus{Name: rt.name, Timeout: rt.timeout.String()}
	if rt.ttl > 0 {
		rs.CacheTTL = rt.ttl.String()
	}
	for _, v := range []*variant{rt.stable, rt.canary, rt.shadow} {
		if v != nil {
			rs.Variants = append(rs.Variants, VariantStatus{Name: v.name, Pool: v.pool.Name(), Version: v.version, Percent: v.percent})
		}
	}
	return rs
}
