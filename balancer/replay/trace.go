package replay

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// format is the version of the trace's lines. A reader refuses others.
const format = 1

// Header is the first line of a trace.
type Header struct {
	Trace   int    `json:"trace"` // format
	Began   string `json:"began"` // RFC 3339
	Gateway string `json:"gateway,omitempty"`
	Pools   []Pool `json:"pools"`
}

// Pool is a pool as it was when the recording began.
type Pool struct {
	Name   string `json:"name"`
	Policy string `json:"policy"`
	Nodes  []Node `json:"nodes"`
}

// Node is one member of a pool.
type Node struct {
	Address string `json:"address"`
	Weight  int    `json:"weight"`
}

// Decision is one lease, from the pick to its end. Lines come in the order of ends.
type Decision struct {
	At         float64 `json:"t"` // seconds from the beginning of the recording to the pick
	Pool       string  `json:"pool"`
	Model      string  `json:"model"`
	Key        Key     `json:"key,omitempty"`   // the same for requests that should meet; 0 = none
	Stick      bool    `json:"stick,omitempty"` // they must
	Attempt    int     `json:"attempt"`         // of its exchange, from 1
	Candidates int     `json:"candidates"`      // among how many nodes of one standing the policy chose
	Node       string  `json:"node"`
	Ahead      int64   `json:"ahead"` // requests on the node then, with this one, as far as the gateway knew
	End        string  `json:"end"`   // success, failure, fault or neutral
	Took       float64 `json:"took"`  // seconds
	Load       *Load   `json:"load,omitempty"`
}

// Load is what the node last said of itself when the lease ended.
type Load struct {
	Queued   uint32 `json:"queued"`
	InFlight uint32 `json:"in_flight"`
}

// Key is the hash by which requests meet, in a trace as hexadecimal digits: JSON's numbers end at 2^53.
type Key uint64

// MarshalText implements encoding.TextMarshaler.
func (k Key) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(k), 16), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Key) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return fmt.Errorf("key %q: accepted are up to 16 hexadecimal digits", text)
	}
	*k = Key(n)
	return nil
}

// Footer is the last line of a trace that is complete.
type Footer struct {
	Done      bool    `json:"done"`
	Seconds   float64 `json:"seconds"`
	Decisions uint64  `json:"decisions"`
	Dropped   uint64  `json:"dropped"` // decisions that are missing, since they came faster than they were written
}

// Trace is a whole recording.
type Trace struct {
	Header    Header
	Decisions []Decision // by At
	Footer    Footer
	Complete  bool // it has a footer; otherwise the recording was cut off
}

// The words for how leases end.
var ends = []string{"success", "failure", "fault", "neutral"}

// Bounds of what a reader believes.
const (
	// maxSeconds is longer than any recording and any attempt.
	maxSeconds = 86400
	// maxNodes and maxPools are more than a gateway has.
	maxNodes = 10_000
	maxPools = 1_000
	// maxName is what names and addresses may have in bytes: more than those of the gateway.
	maxName = 1024
	// maxWeight is that of gateway.toml.
	maxWeight = 256
)

// check refuses what no recording contains.
func (h *Header) check() error {
	if h.Trace != format {
		return fmt.Errorf("\"trace\": %d: accepted is %d", h.Trace, format)
	}
	if len(h.Pools) > maxPools {
		return fmt.Errorf("%d pools: accepted are up to %d", len(h.Pools), maxPools)
	}
	seen := map[string]bool{}
	for _, p := range h.Pools {
		if seen[p.Name] || len(p.Name) > maxName {
			return fmt.Errorf("pool %.40q: names must differ and have up to %d bytes", p.Name, maxName)
		}
		seen[p.Name] = true
		if len(p.Nodes) > maxNodes {
			return fmt.Errorf("pool %q has %d nodes: accepted are up to %d", p.Name, len(p.Nodes), maxNodes)
		}
		for _, n := range p.Nodes {
			if n.Address == "" || len(n.Address) > maxName || n.Weight < 0 || n.Weight > maxWeight {
				return fmt.Errorf("pool %q: node %.40q with weight %d: accepted are addresses with weights from 0 to %d", p.Name, n.Address, n.Weight, maxWeight)
			}
		}
	}
	return nil
}

// check refuses what no recording contains.
func (d *Decision) check() error {
	switch {
	case !within(d.At) || !within(d.Took):
		return fmt.Errorf("\"t\": %v, \"took\": %v: accepted are 0 to %d seconds", d.At, d.Took, maxSeconds)
	case d.Node == "" || len(d.Node) > maxName || len(d.Model) > maxName || len(d.Pool) > maxName:
		return fmt.Errorf("\"pool\", \"model\" and \"node\": accepted are up to %d bytes, and a node must be named", maxName)
	case !slices.Contains(ends, d.End):
		return fmt.Errorf("\"end\": %.40q: accepted are %q", d.End, ends)
	case d.Attempt < 0 || d.Candidates < 0 || d.Ahead < 0:
		return fmt.Errorf("\"attempt\": %d, \"candidates\": %d, \"ahead\": %d: none is negative", d.Attempt, d.Candidates, d.Ahead)
	}
	return nil
}

// within reports whether a trace may have that many seconds. NaN is none.
func within(seconds float64) bool {
	return seconds >= 0 && seconds <= maxSeconds && !math.IsNaN(seconds)
}
