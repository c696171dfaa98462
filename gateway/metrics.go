package gateway

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/cache"
)

// Counters live on what they count: a variant, a node, a pool. Counting is an atomic addition without looking up any
// label, and the collector below reads the live table when somebody scrapes: a series exists as long as what it
// counts, starts at 0, and is gone with it.

// latencyBuckets reach from an answer out of memory to the default timeout, in seconds.
var latencyBuckets = [...]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// metrics are the gateway's own; those of the table live in it.
type metrics struct {
	noRoute *variantMetrics // exchanges that reached no route
}

// variantMetrics count the exchanges of one variant.
type variantMetrics struct {
	outcomes tally // over HTTP
	calls    tally // over gRPC
	duration prometheus.Histogram
}

func newVariantMetrics(route, variant string) *variantMetrics {
	return &variantMetrics{duration: newHistogram("request_duration_seconds",
		"Time from a request's last byte to its answer's, by route and variant.",
		prometheus.Labels{"route": route, "variant": variant})}
}

// nodeMetrics time the attempts on one node; the balancer counts their outcomes.
type nodeMetrics struct{ duration prometheus.Histogram }

func newNodeMetrics(pool, address string) nodeMetrics {
	return nodeMetrics{duration: newHistogram("attempt_duration_seconds",
		"Time an attempt on a node took, by pool and node.",
		prometheus.Labels{"pool": pool, "node": address})}
}

// newQueueHistogram times those who had to wait for a node; those who had not are in request_duration_seconds alone.
func newQueueHistogram(pool string) prometheus.Histogram {
	return newHistogram("queue_wait_seconds",
		"Time that requests waited for room at a node, whether or not they got it, by pool. Those that need not wait are not in it.",
		prometheus.Labels{"pool": pool})
}

func newHistogram(name, help string, labels prometheus.Labels) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: labels, Buckets: latencyBuckets[:],
	})
}

const namespace = "ganglion"

// retryTally counts the retries of a pool.
type retryTally struct{ made, denied atomic.Uint64 }

// cacheTally counts what the cache did for a route.
type cacheTally struct{ hits, misses atomic.Uint64 }

// tally counts by status and reason. The few pairs that occur are found in a map that is replaced when a new one shows
// up, so that counting takes no lock.
type tally struct {
	cells atomic.Pointer[map[outcome]*atomic.Uint64]
	mu    sync.Mutex // held to replace the map
}

type outcome struct {
	status int
	reason Reason
}

func (t *tally) add(status int, reason Reason) {
	o := outcome{status, reason}
	if cells := t.cells.Load(); cells != nil {
		if c, ok := (*cells)[o]; ok {
			c.Add(1)
			return
		}
	}
	t.cell(o).Add(1)
}

func (t *tally) cell(o outcome) *atomic.Uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	grown := map[outcome]*atomic.Uint64{}
	if cells := t.cells.Load(); cells != nil {
		if c, ok := (*cells)[o]; ok {
			return c
		}
		maps.Copy(grown, *cells)
	}
	c := new(atomic.Uint64)
	grown[o] = c
	t.cells.Store(&grown)
	return c
}

func (t *tally) each(f func(o outcome, n uint64)) {
	if cells := t.cells.Load(); cells != nil {
		for o, c := range *cells {
			f(o, c.Load())
		}
	}
}

// collector reads the gateway's counters for Prometheus.
type collector struct{ gateway *Gateway }

// Describe implements prometheus.Collector. It describes nothing: which series exist changes with the table.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	g := c.gateway
	s := sink{ch}
	s.gauge(buildInfo, 1, g.version, runtime.Version())
	s.gauge(inFlight, float64(g.inFlight.Load()))
	s.counter(panics, g.panicked())
	s.collectReloads(g.configStatus())
	s.collectServer(g)
	if g.rpc != nil {
		s.collectRPC(g.rpc.Stats())
	}
	s.collectVariant(g.metrics.noRoute, "", "")
	t := g.table.Load()
	for v := range t.variants {
		s.collectVariant(v.metrics, v.route.name, v.name)
	}
	for _, rt := range t.routes {
		s.collectRoute(rt)
	}
	for _, up := range t.pools {
		s.collectPool(up)
	}
	if store := g.cache.Load(); store != nil {
		s.collectCache(store.Stats())
	}
	if g.accessLog != nil {
		s.counter(logLines, g.accessLog.lines.Load())
		s.counter(logDropped, g.accessLog.dropped.Load())
	}
}

// sink turns numbers into metrics.
type sink struct{ ch chan<- prometheus.Metric }

func (s sink) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) collectCache(st cache.Stats) {
	s.gauge(cacheBytes, float64(st.Bytes))
	s.gauge(cacheMaxBytes, float64(st.MaxBytes))
	s.gauge(cacheEntries, float64(st.Entries))
	s.counter(cacheEvictions, st.Evictions)
	s.counter(cacheDrops, st.TooLarge, "too_large")
	s.counter(cacheDrops, st.Drops, "queue_full")
	s.counter(cacheDrops, st.Rejections, "rejected")
}
