// Package balancer picks nodes.
package balancer

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrNoNode means that no node of the pool may take this attempt.
var ErrNoNode = errors.New("no node is fit to take the attempt")

// Probe asks the node at address whether it is ready; nil = it is.
type Probe func(ctx context.Context, address string) error

// Change is one node whose state or circuit changed.
type Change struct {
	Pool                string
	Node                *Node
	State, OldState     State
	Circuit, OldCircuit Circuit
	Cause               error // of the probe that made the node Down; else nil
}

// Observer is told every change of a node, one at a time.
type Observer func(Change)

// Options are what a pool needs from outside.
type Options struct {
	Probe   Probe        // nil = nodes count as up without being asked
	Observe Observer     // nil = nobody watches
	Log     *slog.Logger // nil = nothing is logged
}

// Outcome is how an attempt went, as far as the node is concerned.
type Outcome uint8

// The zero Outcome is no outcome, so that a forgotten one is found.
const (
	Success Outcome = iota + 1 // the node did its work
	Failure                    // the node is to blame
	Neutral                    // nobody is: the client left, or the request was bad
)

// Pool spreads attempts over nodes.
type Pool struct{}

// Lease is the right to send one attempt to a node.
type Lease struct{}

// Node is who takes the attempt.
func (l *Lease) Node() *Node { return nil }

// Done reports how the attempt went, exactly once.
func (l *Lease) Done(o Outcome) {}

// Tried are the nodes that an exchange has tried. The zero value is none.
type Tried struct{}

// Len counts the nodes tried.
func (t *Tried) Len() int { return 0 }

// New makes a pool; it starts nothing.
func New(name string, cfg Config, opt Options) (*Pool, error) { return nil, nil }

// Run probes the nodes until ctx ends.
func (p *Pool) Run(ctx context.Context) error { return nil }

// Pick leases a node for one attempt and adds it to tried.
func (p *Pool) Pick(key uint64, tried *Tried) (Lease, error) { return Lease{}, ErrNoNode }

// Attempts is how many attempts an exchange may make, the first included.
func (p *Pool) Attempts() int { return 0 }

// Retry takes one retry from the budget.
func (p *Pool) Retry() bool { return false }

// Ready reports whether a node is up.
func (p *Pool) Ready() bool { return false }

// Nodes is the state of every node, in the order of the configuration.
func (p *Pool) Nodes() []NodeStatus { return nil }

// RetryAfter is when a client that met ErrNoNode should come back.
func (p *Pool) RetryAfter() time.Duration { return 0 }

// Name is the pool's name.
func (p *Pool) Name() string { return "" }
