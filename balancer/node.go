package balancer

// State is what the probes say about a node.
type State uint8

// A node is Unknown until its first probe has an answer.
const (
	Unknown State = iota
	Up
	Down
)

// String is the word used in logs, metrics and on the status page.
func (s State) String() string { return [...]string{"unknown", "up", "down"}[s] }

// Circuit is what the breaker of a node says about it.
type Circuit uint8

// A closed circuit lets everything pass, an open one nothing unless no other
// node is left, a half-open one a single trial attempt.
const (
	Closed Circuit = iota
	HalfOpen
	Open
)

// String is the word used in logs, metrics and on the status page.
func (c Circuit) String() string { return [...]string{"closed", "half-open", "open"}[c] }

// Node is one member of a pool.
type Node struct{}

// Address is the node's "host:port".
func (n *Node) Address() string { return "" }

// Index is the node's place in the configuration, from 0.
func (n *Node) Index() int { return 0 }

// Weight is the node's configured share.
func (n *Node) Weight() int { return 0 }

// Inflight counts the leases that are out.
func (n *Node) Inflight() int64 { return 0 }

// State is what the probes say.
func (n *Node) State() State { return Unknown }

// Circuit is what the breaker says.
func (n *Node) Circuit() Circuit { return Closed }

// NodeStatus is one node at one moment.
type NodeStatus struct {
	Address  string
	Index    int
	Weight   int
	State    State
	Circuit  Circuit
	Inflight int64
	// Attempts counts leases granted; of those returned, each is a success, a
	// failure or neutral.
	Attempts, Successes, Failures, Neutral uint64
	// Cause is what the last failed probe said; "" while the last one was good.
	Cause string
}
