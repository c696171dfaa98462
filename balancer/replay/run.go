package replay

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ganglion/balancer"
)

// Result is what a policy made of the arrivals, or what the recording says.
type Result struct {
	Policy   string             `json:"policy"`
	Requests int                `json:"requests"`
	Unserved int                `json:"unserved"` // for which the policy had no node, or that did not succeed
	Mean     float64            `json:"mean_ms"`
	P50      float64            `json:"p50_ms"`
	P99      float64            `json:"p99_ms"`
	Shares   map[string]float64 `json:"shares"` // of all attempts, by node
}

// Comparison is a recording beside what it is held against.
type Comparison struct {
	Pool string `json:"pool"`
	// Recorded is what the trace says.
	Recorded Result `json:"recorded"`
	// Replayed is the recorded policy through the model of the nodes: how far it is from Recorded is how far the model is
	// from the nodes.
	Replayed Result      `json:"replayed"`
	Others   []Result    `json:"others"` // the policies that were asked for
	Nodes    []NodeModel `json:"nodes"`
}

// NodeModel is what the trace tells of one model on one node.
type NodeModel struct {
	Node   string  `json:"node"`
	Model  string  `json:"model"`
	Width  int     `json:"requests_at_a_time"`
	Median float64 `json:"median_ms"` // beyond waiting
}

// Run replays the arrivals at a pool of the trace through each policy. An empty name is the only pool that there is. The same
// seed gives the same result.
//
// Every attempt of the recording is an arrival, at the moment of its pick. A node is as many places as it seems to have had, in
// which one request after the other takes what it took when it was recorded, less what it seems to have waited; on another node
// it takes as much more or less as that one's requests do in the median. Reports of load come with answers if they did.
//
// So a replay can tell how a policy shares out, what it makes of slow nodes and of waiting. It cannot tell what batches would
// have become, since a request keeps its time whatever runs beside it; nor what other gateways would have sent elsewhere; nor
// what fails, since every attempt succeeds; nor how clients would have waited for quicker answers.
func Run(t *Trace, pool string, policies []string, seed uint64) (*Comparison, error) {
	w, err := newWorld(t, pool)
	if err != nil {
		return nil, err
	}
	c := &Comparison{Pool: w.pool.Name, Recorded: w.recorded()}
	c.Nodes = w.models()
	for i, policy := range append([]string{w.pool.Policy}, policies...) {
		r, err := w.run(policy, seed)
		if err != nil {
			return nil, fmt.Errorf("policy %q: %w", policy, err)
		}
		if i == 0 {
			c.Replayed = r
			continue
		}
		c.Others = append(c.Others, r)
	}
	return c, nil
}

// recorded is the trace's own result.
func (w *world) recorded() Result {
	r := newResult(w.pool.Policy)
	var took []time.Duration
	for _, d := range w.of {
		r.Shares[d.Node]++
		if d.End == "success" {
			took = append(took, seconds(d.Took))
		} else {
			r.Unserved++
		}
	}
	r.settle(took, len(w.of))
	return r
}

func newResult(policy string) Result { return Result{Policy: policy, Shares: map[string]float64{}} }

// settle works out the figures.
func (r *Result) settle(took []time.Duration, requests int) {
	r.Requests = requests
	for node := range r.Shares {
		r.Shares[node] /= float64(requests)
	}
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	var sum time.Duration
	for _, t := range took {
		sum += t
	}
	quantile := func(q float64) float64 { return inMillis(took[min(int(q*float64(len(took))), len(took)-1)]) }
	r.Mean, r.P50, r.P99 = inMillis(sum/time.Duration(len(took))), quantile(0.5), quantile(0.99)
}

func inMillis(d time.Duration) float64 { return d.Seconds() * 1000 }

// models are the stations, by node and model.
func (w *world) models() []NodeModel {
	all := make([]NodeModel, 0, len(w.stations))
	for _, st := range w.stations {
		all = append(all, NodeModel{Node: st.node, Model: st.model, Width: st.width, Median: inMillis(st.median)})
	}
	slices.SortFunc(all, func(a, b NodeModel) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Model, b.Model)) })
	return all
}

// machine is one run.
type machine struct {
	*world
	pool   *balancer.Pool
	now    time.Duration
	queues map[*station]*line
	due    departures
	leases []balancer.Lease // of each arrival
	took   []time.Duration
	result Result
}

// line is who is at a station.
type line struct {
	waiting []int // arrivals
	running int
}

// run replays all arrivals through one policy.
func (w *world) run(policy string, seed uint64) (Result, error) {
	m := &machine{world: w, queues: map[*station]*line{}, leases: make([]balancer.Lease, len(w.of)), result: newResult(policy)}
	chance := rand.New(rand.NewPCG(seed, 1))
	var cfg balancer.Config
	cfg.SetDefaults()
	cfg.Policy = policy
	for _, n := range w.pool.Nodes {
		cfg.Nodes = append(cfg.Nodes, balancer.NodeConfig{Address: n.Address, Weight: n.Weight})
	}
	begin := time.Unix(1_000_000_000, 0) // any time: only differences matter
	pool, err := balancer.New(w.pool.Name, cfg, balancer.Options{Now: func() time.Time { return begin.Add(m.now) }, Rand: chance.Uint64})
	if err != nil {
		return Result{}, err
	}
	m.pool = pool
	for at := range w.of {
		m.until(w.began[at])
		m.now = w.began[at]
		m.arrive(at)
	}
	m.until(1<<63 - 1)
	m.result.settle(m.took, len(w.of))
	return m.result, nil
}

// arrive lets the policy choose a node for an arrival.
func (m *machine) arrive(at int) {
	d := m.of[at]
	var err error
	if m.leases[at], err = m.pool.Know(m.model(d)).Pick(balancer.Ask{Key: uint64(d.Key), Stick: d.Stick}, nil); err != nil {
		m.result.Unserved++
		return
	}
	node := m.leases[at].Node().Address()
	m.result.Shares[node]++
	st := m.at(node, m.model(d))
	l := m.queues[st]
	if l == nil {
		l = &line{}
		m.queues[st] = l
	}
	l.waiting = append(l.waiting, at)
	m.start(st, l)
}

// start lets those at the front of the line have the free places.
func (m *machine) start(st *station, l *line) {
	for l.running < st.width && len(l.waiting) > 0 {
		at := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.running++
		heap.Push(&m.due, departure{at: m.now + m.takes(at, st), arrival: at, from: st})
	}
}

// until lets everything happen that is due by then.
func (m *machine) until(then time.Duration) {
	for len(m.due) > 0 && m.due[0].at <= then {
		d := heap.Pop(&m.due).(departure)
		m.now = d.at
		l := m.queues[d.from]
		l.running--
		m.start(d.from, l)
		lease := &m.leases[d.arrival]
		if d.from.reports {
			lease.Node().Report(balancer.Load{Known: true, Queued: uint32(len(l.waiting)), InFlight: uint32(l.running)})
		}
		lease.Done(balancer.Success)
		m.took = append(m.took, m.now-m.began[d.arrival])
	}
}

// departure is the end of an arrival's work.
type departure struct {
	at      time.Duration
	arrival int
	from    *station
}

// departures is a heap, earliest first; of two at once, the one that came first.
type departures []departure

func (d departures) Len() int { return len(d) }
func (d departures) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].arrival < d[j].arrival
}
func (d departures) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

// Push implements heap.Interface.
func (d *departures) Push(x any) { *d = append(*d, x.(departure)) }

// Pop implements heap.Interface.
func (d *departures) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}
