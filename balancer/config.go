package balancer

import "time"

// Config is one [pools.<name>] table of gateway.toml.
type Config struct {
	// Policy is how a node is chosen among equally fit ones: one of the policies' names.
	Policy string `toml:"policy"`
	// Nodes are the members of the pool, at least one.
	Nodes []NodeConfig `toml:"nodes"`
	// NodesLater lets a pool be made without nodes: somebody will bring some with Update. It is no key of the file.
	NodesLater bool
	// SlowStart is how long a node that comes back takes to get its share, in ten steps. 0 = at once.
	SlowStart time.Duration `toml:"slow_start"`
	// Hash is for the policy consistent_hash.
	Hash    HashConfig    `toml:"hash"`
	Health  HealthConfig  `toml:"health"`
	Breaker BreakerConfig `toml:"breaker"`
	Outlier OutlierConfig `toml:"outlier"`
	Retry   RetryConfig   `toml:"retry"`
	// MaxInflight is how many attempts of this gateway a node may have at a time. 0 = any number.
	MaxInflight int             `toml:"max_inflight"`
	Queue       QueueConfig     `toml:"queue"`
	Admission   AdmissionConfig `toml:"admission"`
	// Hedge is nil unless the file has the table, which turns hedging on.
	Hedge *HedgeConfig `toml:"hedge"`
}

// NodeConfig is one entry of a pool's nodes.
type NodeConfig struct {
	// Address is "host:port".
	Address string `toml:"address"`
	// Weight is the node's share of the traffic relative to the other nodes, 0 to 256. A node with 0 drains: it gets
	// nothing new as long as another node is fit.
	Weight int `toml:"weight"`
	// Protocol is what the node speaks: http, with the hop if it agrees to, or grpc. "" is http.
	Protocol string `toml:"protocol"`
	// Drained has a node join as if Pool.Drain had been called; of one that is a member it changes nothing. It is no key of
	// the file.
	Drained bool
	// MaxInflight is the pool's of the same name for this node. 0 = as the pool has it.
	MaxInflight int `toml:"max_inflight"`
}

// HashConfig says which requests should meet the same node.
type HashConfig struct {
	// Header names the request header whose value is the key. "" = the question is: those that ask the same meet.
	Header string `toml:"header"`
	// Bound is how many times its share of what is in flight a node may have before its keys go to the next.
	Bound float64 `toml:"bound"`
}

// The protocols of nodes.
const (
	ProtocolHTTP = "http"
	ProtocolGRPC = "grpc"
)

// HealthConfig says how the nodes of a pool are probed.
type HealthConfig struct {
	// Interval is the time from one answer to the next probe.
	Interval time.Duration `toml:"interval"`
	// DoubtInterval takes the place of Interval while the next answer may change something: after an answer that
	// contradicts the node's state, while its circuit is not closed, and where it is down while no other node is up either, or one
	// has just come back.
	DoubtInterval time.Duration `toml:"doubt_interval"`
	// Timeout is how long a node may take to answer a probe.
	Timeout time.Duration `toml:"timeout"`
	// Rise is how many good answers in a row bring a node back, Fall how many bad ones take it out.
	Rise int `toml:"rise"`
	Fall int `toml:"fall"`
	// Jitter is the fraction, 0 to 1, by which an interval may be shortened at random.
	Jitter float64 `toml:"jitter"`
}

// BreakerConfig says when the circuit of a node opens, and for how long. It opens when one of its two rules is met.
type BreakerConfig struct {
	// ConsecutiveFailures opens it after that many failures in a row within a Window. 0 turns the rule off.
	ConsecutiveFailures int `toml:"consecutive_failures"`
	// FailurePercent opens it when that share of the attempts done within the Window failed, if there were at least
	// MinRequests. 0 turns the rule off.
	FailurePercent float64       `toml:"failure_percent"`
	MinRequests    int           `toml:"min_requests"`
	Window         time.Duration `toml:"window"`
	// OpenTime is how long the circuit stays open before one trial attempt may close it; twice as long each time that fails, up
	// to MaxOpenTime, or OpenTime if that is longer. A circuit that stays closed forgets one doubling after the other.
	OpenTime    time.Duration `toml:"open_time"`
	MaxOpenTime time.Duration `toml:"max_open_time"`
}

// RetryConfig bounds the attempts of one exchange and the retries of the pool.
type RetryConfig struct {
	// Attempts is how many attempts an exchange may make, the first included, each on another node. 1 turns retries off.
	Attempts int `toml:"attempts"`
	// BudgetPercent is how many retries the pool may make for a hundred first attempts.
	BudgetPercent float64 `toml:"budget_percent"`
	// BudgetFloor is how many retries the pool may make every second, however few its first attempts are.
	BudgetFloor int `toml:"budget_floor"`
	// BudgetBurst is how many unspent retries are kept for later.
	BudgetBurst int `toml:"budget_burst"`
	// AttemptTimeout is how long one attempt may take within the time of its exchange, if another one may follow it. 0 = all
	// that is left.
	AttemptTimeout time.Duration `toml:"attempt_timeout"`
}

// SetDefaults fills in what a pool uses when the file does not say otherwise.
func (c *Config) SetDefaults() {
	// The least loaded node is right for requests of any length; turns are only right if all take the same time. What nodes
	// say of themselves makes it right beside other gateways too, and costs nothing where there are none.
	c.Policy = LeastLoad
	// A node warms up before it says it is ready, and while one that is back holds back, the few others of a small pool
	// stay overloaded. It is for nodes that are ready before they are warm.
	c.SlowStart = 0
	c.Hash.SetDefaults()
	c.Health.SetDefaults()
	c.Breaker.SetDefaults()
	c.Outlier.SetDefaults()
	c.Retry.SetDefaults()
	// How much a node can do with at a time is known to whoever knows the node: one wants a few requests, another several
	// batches. Ours bound their own queues, and say how long these are.
	c.MaxInflight = 0
	c.Queue.SetDefaults()
	c.Admission.SetDefaults()
}

// SetDefaults fills in how far keys bind.
func (c *HashConfig) SetDefaults() {
	// A quarter more than its share costs a node little, and leaves at least four fifths of the keys where they belong: the
	// figure of the paper, of Vimeo and of Google, who use it.
	c.Bound = 1.25
}

// SetDefaults makes all nodes equal.
func (c *NodeConfig) SetDefaults() { c.Weight = 1 }

// SetDefaults fills in how nodes are probed.
func (c *HealthConfig) SetDefaults() {
	// With a probe a second a dead node is found within 1.25 s (the breaker is quicker under load), and a node that
	// answers thousands of requests a second does not notice it, not even from many gateways.
	c.Interval = time.Second
	c.DoubtInterval = 250 * time.Millisecond
	// The ready endpoint does no work, so a second is a node that hangs, or one whose CPU has no time left for requests
	// either.
	c.Timeout = time.Second
	// Two, since one lost packet or one pause of a garbage collector is no verdict; more only makes it late.
	c.Rise, c.Fall = 2, 2
	// A tenth drifts gateways started in the same instant apart within a few probes and keeps intervals meaningful.
	c.Jitter = 0.1
}

// SetDefaults fills in when circuits open.
func (c *BreakerConfig) SetDefaults() {
	// Five in a row happen by chance once in 3 million attempts on a node that fails one in twenty; on a dead one, all of
	// them are retried elsewhere.
	c.ConsecutiveFailures = 5
	// A node that fails every second attempt is no help; below twenty attempts half is too little to tell.
	c.FailurePercent = 50
	c.MinRequests = 20
	// Long enough for twenty attempts at two a second, short enough that a fault is not averaged away by the past.
	c.Window = 10 * time.Second
	// A trial risks one attempt, which is retried elsewhere: one every two seconds is within the floor of the retry
	// budget five times over, and a node that works again is back after two seconds.
	c.OpenTime = 2 * time.Second
	// What has been broken for minutes will be for more. A trial each half minute is next to nothing even for a pool of a
	// thousand nodes that are all broken, and who repairs a node does not wait longer than that.
	c.MaxOpenTime = 30 * time.Second
}

// SetDefaults fills in the bounds of retries.
func (c *RetryConfig) SetDefaults() {
	// One retry: two nodes that fail the same request in a row are more likely the request's doing than theirs.
	c.Attempts = 2
	// A full outage may raise the load by a tenth, not more. It is also Google's figure for a client's retries.
	c.BudgetPercent = 10
	// Ten a second lets a pool of one request per second retry each, and is no load for any node. Finagle's figure.
	c.BudgetFloor = 10
	// What a dying node may have in flight, all of which fails in one instant: a few batches of the usual 32 to 64.
	c.BudgetBurst = 256
	// How long a model may take is its own: a bound that suits one would cut off another, and be paid for by retries. Nodes
	// that do not answer at all are found by probes, by the hop and by the outlier statistics.
	c.AttemptTimeout = 0
}
