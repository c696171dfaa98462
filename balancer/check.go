package balancer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/hostport"
)

// Bounds of what Check accepts.
const (
	// maxWeight bounds how uneven shares may be, and with it the steps of a weighted pick. HAProxy's bound.
	maxWeight = 256
	// maxAttempts is far more than can help: each attempt costs its share of the client's patience.
	maxAttempts = 10
	// maxCount bounds counts that are compared with counters, so that sums of them cannot overflow.
	maxCount = 1_000_000
	// minTime keeps a probe loop or a window from becoming a busy loop by a typing error; a network answers in less,
	// but nothing an operator wants to express is shorter.
	minTime = 10 * time.Millisecond
	// minBound leaves room to move at all; beyond maxBound a node may be overrun before anybody helps it.
	minBound, maxBound = 1.01, 100.0
	// maxTime is when a value is a typing error rather than a wish.
	maxTime = time.Hour
)

// Check reports everything that is wrong with the pool, each at its key, and what this version will not do.
func (c *Config) Check(r *conf.Report) {
	for _, f := range c.problems() {
		r.Errorf(f.key, "%s", f.text)
	}
	for _, f := range c.warnings() {
		r.Warnf(f.key, "%s", f.text)
	}
}

// finding is one thing to say about one key, relative to the pool's table.
type finding struct{ key, text string }

// findings collects; its methods judge one value each.
type findings []finding

func (fs *findings) addf(key, format string, args ...any) {
	*fs = append(*fs, finding{key, fmt.Sprintf(format, args...)})
}

func (fs *findings) whole(key string, value, low, high int) {
	if value < low || value > high {
		fs.addf(key, "%d is out of range: accepted are %d to %d", value, low, high)
	}
}

func (fs *findings) fraction(key string, value, low, high float64) {
	if !(value >= low && value <= high) { // NaN is out of range too
		fs.addf(key, "%v is out of range: accepted are %v to %v", value, low, high)
	}
}

func (fs *findings) duration(key string, value time.Duration) {
	if value < minTime || value > maxTime {
		fs.addf(key, "%q is out of range: accepted are \"10ms\" to \"1h\"", value)
	}
}

// durationOrNone is duration for a key that 0 turns off.
func (fs *findings) durationOrNone(key string, value time.Duration) {
	if value != 0 && (value < minTime || value > maxTime) {
		fs.addf(key, "%q is out of range: accepted are \"0s\", which turns it off, and \"10ms\" to \"1h\"", value)
	}
}

// problems are what keeps the pool from being made.
func (c *Config) problems() []finding {
	var fs findings
	if !slices.Contains(policyNames, c.Policy) {
		fs.addf("policy", "unknown policy %q%s", c.Policy, instead(c.Policy, policyNames))
	}
	c.checkNodes(&fs)
	fs.durationOrNone("slow_start", c.SlowStart)
	if !isHeaderName(c.Hash.Header) {
		fs.addf("hash.header", "%q is no name of a header: accepted are letters, digits, - and _, such as \"X-Session-Id\"", c.Hash.Header)
	}
	fs.fraction("hash.bound", c.Hash.Bound, minBound, maxBound)

	fs.duration("health.interval", c.Health.Interval)
	fs.duration("health.doubt_interval", c.Health.DoubtInterval)
	fs.duration("health.timeout", c.Health.Timeout)
	fs.whole("health.rise", c.Health.Rise, 1, maxCount)
	fs.whole("health.fall", c.Health.Fall, 1, maxCount)
	fs.fraction("health.jitter", c.Health.Jitter, 0, 1)

	fs.whole("breaker.consecutive_failures", c.Breaker.ConsecutiveFailures, 0, maxCount)
	fs.fraction("breaker.failure_percent", c.Breaker.FailurePercent, 0, 100)
	fs.whole("breaker.min_requests", c.Breaker.MinRequests, 1, maxCount)
	fs.duration("breaker.window", c.Breaker.Window)
	fs.duration("breaker.open_time", c.Breaker.OpenTime)
	fs.duration("breaker.max_open_time", c.Breaker.MaxOpenTime)

	c.Outlier.check(&fs)

	fs.whole("retry.attempts", c.Retry.Attempts, 1, maxAttempts)
	fs.fraction("retry.budget_percent", c.Retry.BudgetPercent, 0, 100)
	fs.whole("retry.budget_floor", c.Retry.BudgetFloor, 0, maxCount)
	fs.whole("retry.budget_burst", c.Retry.BudgetBurst, 1, maxCount)
	fs.durationOrNone("retry.attempt_timeout", c.Retry.AttemptTimeout)
	if c.Hedge != nil {
		c.Hedge.check(&fs)
	}
	fs.whole("max_inflight", c.MaxInflight, 0, maxCount)
	c.Queue.check(&fs)
	c.Admission.check(&fs)
	return fs
}

// instead says what could stand in the place of a word that is none of those which are known.
func instead(word string, known []string) string {
	text := ""
	if meant := conf.Suggest(word, known); meant != "" {
		text = fmt.Sprintf("; did you mean %q?", meant)
	}
	return text + "; accepted are " + strings.Join(known, ", ")
}

func (c *Config) checkNodes(fs *findings) {
	if len(c.Nodes) == 0 && !c.NodesLater {
		fs.addf("nodes", "a pool needs at least one node, such as { address = \"10.0.0.1:9000\" }, or a table \"discover\" that says where to learn of them")
	}
	seen := make(map[string]int, len(c.Nodes))
	for i, n := range c.Nodes {
		key := fmt.Sprintf("nodes[%d]", i)
		fs.whole(key+".weight", n.Weight, 0, maxWeight)
		fs.whole(key+".max_inflight", n.MaxInflight, 0, maxCount)
		if n.Protocol != "" && n.Protocol != ProtocolHTTP && n.Protocol != ProtocolGRPC {
			fs.addf(key+".protocol", "%q is not known: accepted are \"http\" and \"grpc\"", n.Protocol)
		}
		canonical, err := hostport.Canonical(n.Address)
		if err != nil {
			fs.addf(key+".address", "%v", err)
			continue
		}
		if first, twice := seen[canonical]; twice {
			fs.addf(key+".address", "node %q is listed twice: it is nodes[%d] already; to give it more traffic, raise its weight",
				n.Address, first)
			continue
		}
		seen[canonical] = i
	}
}

// isHeaderName accepts the names that pass every proxy, and "".
func isHeaderName(s string) bool {
	return len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool { return !hostport.IsNameRune(r) })
}

// warnings are what an operator should know but may want.
func (c *Config) warnings() []finding {
	var fs findings
	if c.Policy != ConsistentHash && c.Hash.Header != "" {
		fs.addf("hash.header", "the policy %q does not look at it; %q does", c.Policy, ConsistentHash)
	}
	if c.Hedge != nil && c.Retry.Attempts == 1 {
		fs.addf("hedge", "retry.attempts = 1 leaves no second attempt to hedge with: the table changes nothing")
	}
	if c.Retry.AttemptTimeout != 0 && c.Retry.Attempts == 1 {
		fs.addf("retry.attempt_timeout", "retry.attempts = 1 leaves no attempt to follow: it changes nothing")
	}
	c.warnOfNoEffect(&fs)
	uneven := func(n NodeConfig) bool { return n.Weight != 0 && n.Weight != 1 }
	if i := slices.IndexFunc(c.Nodes, uneven); c.Policy == RoundRobin && i >= 0 {
		fs.addf(fmt.Sprintf("nodes[%d].weight", i), "the policy %q takes every node in turn, whatever its weight; %q and the others heed it",
			RoundRobin, Weighted)
	}
	serves := func(n NodeConfig) bool { return n.Weight != 0 }
	if len(c.Nodes) > 0 && !slices.ContainsFunc(c.Nodes, serves) {
		fs.addf("nodes", "every node has weight 0 and drains: the pool sends them all of its traffic nevertheless, having no other")
	}
	return fs
}

// warnOfNoEffect names what was set and changes nothing beside the rest of the table.
func (c *Config) warnOfNoEffect(fs *findings) {
	if c.Breaker.OpenTime > c.Breaker.MaxOpenTime {
		fs.addf("breaker.open_time", "%s is more than max_open_time (%s): it stays the same however often a trial fails", c.Breaker.OpenTime, c.Breaker.MaxOpenTime)
	}
	if c.Outlier.EjectionTime > c.Outlier.MaxEjectionTime {
		fs.addf("outlier.ejection_time", "%s is more than max_ejection_time (%s): it stays the same however often a node is ejected", c.Outlier.EjectionTime, c.Outlier.MaxEjectionTime)
	}
	if len(c.Nodes) == 1 && !c.NodesLater && c.Retry.Attempts > 1 {
		const alone = "the pool has one node, and every attempt goes to another: it changes nothing"
		if c.Hedge != nil {
			fs.addf("hedge", alone)
		}
		if c.Retry.AttemptTimeout != 0 {
			fs.addf("retry.attempt_timeout", alone)
		}
	}
	var usual QueueConfig
	usual.SetDefaults()
	limited := func(n NodeConfig) bool { return n.MaxInflight != 0 }
	if c.Queue != usual && c.MaxInflight == 0 && c.Admission.Mode != AdmissionEnforce && !slices.ContainsFunc(c.Nodes, limited) {
		fs.addf("queue", "nobody ever waits: no node has a limit, neither by max_inflight nor by admission.mode = %q", AdmissionEnforce)
	}
}
