package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ganglion/balancer"
	"ganglion/internal/conf"
)

// Errors of Drain that callers tell apart. Those returned say more.
var (
	ErrUnknownNode = errors.New("there is no such node")
	ErrLastNode    = errors.New("no other node would take its requests")
)

// DrainOrder is what an operator wants of a node.
type DrainOrder struct {
	Node string // "host:port", however it is written
	Pool string // "" = every pool that has the node: it is one process
	On   bool   // false = it takes requests again
	// Force drains a node even if no other one of the pool takes requests. It goes on getting them until there is one.
	Force bool
}

// DrainedNode is a node of a pool after such an order.
type DrainedNode struct {
	Pool     string `json:"pool"`
	Node     string `json:"node"`
	State    string `json:"state"` // by probes
	Drained  bool   `json:"drained"`
	InFlight int64  `json:"in_flight"`
	// Alone says that no other node of the pool takes requests, so that this one goes on getting them.
	Alone bool `json:"alone,omitempty"`
}

// Drain keeps new requests from a node while another one of its pool is fit, or lets it have them again, and says how far
// the node is: whoever waits for it to be empty watches InFlight in Status. What it is working on is not touched. The order holds
// until it is taken back or the process ends, also for a node that leaves its pool's list and comes back. The error is
// ErrUnknownNode, or ErrLastNode with a pool that would have nobody left; nothing has changed then.
func (g *Gateway) Drain(order DrainOrder) ([]DrainedNode, error) {
	g.drains.Lock()
	defer g.drains.Unlock()
	places, err := g.placesOf(order)
	if err != nil {
		return nil, err
	}
	if order.On && !order.Force {
		for _, pl := range places {
			if err := pl.spare(); err != nil {
				return nil, err
			}
		}
	}
	var all []DrainedNode
	for _, pl := range places {
		if err := pl.pool.roster.drain(pl.address, order.On); err != nil {
			return nil, err
		}
		all = append(all, pl.status(order.On))
	}
	g.log.Info("drain ordered", "node", order.Node, "pool", order.Pool, "on", order.On, "force", order.Force)
	return all, nil
}

// drainPlace is a node in a pool.
type drainPlace struct {
	pool    *upstream
	address string
	node    *balancer.Node // nil = it was drained and has left the list since
}

// placesOf finds where the node is. What was drained may have left since, and can be let back even so.
func (g *Gateway) placesOf(order DrainOrder) ([]drainPlace, error) {
	var places []drainPlace
	var pools, known []string
	listed := map[string]bool{} // a node may be in several pools
	for _, up := range g.table.Load().pools {
		pools = append(pools, up.Name())
		if order.Pool != "" && order.Pool != up.Name() {
			continue
		}
		n, _ := up.Find(order.Node) // its error names every node of one pool
		if n != nil || !order.On && up.roster.remembers(order.Node) {
			places = append(places, drainPlace{up, order.Node, n})
		}
		for _, m := range up.Members() {
			if !listed[m.Address()] {
				listed[m.Address()] = true
				known = append(known, m.Address())
			}
		}
	}
	switch {
	case len(places) > 0:
		return places, nil
	case order.Pool != "" && !slices.Contains(pools, order.Pool):
		return nil, unknown(fmt.Sprintf("no pool is named %q", order.Pool), order.Pool, pools)
	case order.Pool != "":
		return nil, unknown(fmt.Sprintf("pool %q has no node %q", order.Pool, order.Node), order.Node, known)
	}
	return nil, unknown(fmt.Sprintf("no pool has a node %q", order.Node), order.Node, known)
}

// unknown is ErrUnknownNode with what was probably meant, or else what there is.
func unknown(text, name string, known []string) error {
	const most = 8 // names that one reads
	switch meant := conf.Suggest(name, known); {
	case meant != "":
		text += fmt.Sprintf("; did you mean %q?", meant)
	case len(known) == 0:
		text += "; there are none"
	case len(known) > most:
		text += fmt.Sprintf("; there are %s and %d more", strings.Join(known[:most], ", "), len(known)-most)
	default:
		text += "; there are " + strings.Join(known, ", ")
	}
	return &orderError{text, ErrUnknownNode}
}

// orderError is one of the errors above in words for operators.
type orderError struct {
	text string
	is   error
}

// Error implements error.
func (e *orderError) Error() string { return e.text }

// Unwrap gives the sentinel.
func (e *orderError) Unwrap() error { return e.is }

// spare returns nil when the pool can do without the node: another one takes requests, or this one does not.
func (pl drainPlace) spare() error {
	if pl.node == nil || !pl.alone() {
		return nil
	}
	for _, n := range pl.pool.Nodes() {
		if n.Node == pl.node && !pl.pool.takes(n) {
			return nil
		}
	}
	return &orderError{fmt.Sprintf("no other node of pool %q takes requests: %s would go on getting them until one does; bring another one up first, "+
		"or force it", pl.pool.Name(), pl.node.Address()), ErrLastNode}
}

// alone reports whether no other node of the pool takes requests.
func (pl drainPlace) alone() bool {
	for _, n := range pl.pool.Nodes() {
		if n.Node != pl.node && pl.pool.takes(n) {
			return false
		}
	}
	return true
}

// takes reports whether a node gets new requests as things are.
func (up *upstream) takes(n balancer.NodeStatus) bool {
	return n.State == balancer.Up && n.Circuit == balancer.Closed && up.drainCause(n) == ""
}

func (pl drainPlace) status(on bool) DrainedNode {
	if pl.node == nil {
		return DrainedNode{Pool: pl.pool.Name(), Node: pl.address, State: "gone"}
	}
	return DrainedNode{
		Pool: pl.pool.Name(), Node: pl.node.Address(), State: pl.node.State().String(), Drained: on,
		InFlight: pl.node.Inflight(), Alone: on && pl.alone(),
	}
}
