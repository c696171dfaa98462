package backend

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/backend/scheduler"
)

// stageMetrics tell of each model version where the time of its requests goes and what they are refused for: as histograms
// of our own, and as the sums that Triton has, under its names, so that dashboards made for it work.
type stageMetrics struct {
	stages [stageCount]*prometheus.HistogramVec // model, version
	rows   *prometheus.HistogramVec             // model, version

	mu       sync.Mutex
	versions map[[2]string]*versionMetrics // by model and version: what is, was or is about to be loaded
}

// stage is a part of a request's way through the scheduler.
type stage int

const (
	stageQueue stage = iota
	stageInput
	stageInfer
	stageOutput
	stageCount
)

// perVersion are the labels of all that is here.
func perVersion() []string { return []string{"model", "version"} }

func newStageMetrics() *stageMetrics {
	m := &stageMetrics{
		versions: map[[2]string]*versionMetrics{},
		rows: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ganglion_node_batch_rows",
			Help:    "Rows in each run.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 1 to 256
		}, perVersion()),
	}
	for stage, text := range [stageCount][2]string{
		stageQueue:  {"queue", "Time from a request's arrival in the queue to the start of its run."},
		stageInput:  {"compute_input", "Time a run's inputs took to be put together."},
		stageInfer:  {"compute_infer", "Time a run took in the engine, its wait for a free CPU included."},
		stageOutput: {"compute_output", "Time a run's outputs took to be taken apart."},
	} {
		m.stages[stage] = prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ganglion_node_" + text[0] + "_duration_seconds", Help: text[1], Buckets: durationBuckets(),
		}, perVersion())
	}
	return m
}

// versionMetrics are the series of one model version, looked up once. It is its scheduler's observer.
type versionMetrics struct {
	model, version string

	ok       prometheus.Counter
	duration prometheus.Observer
	stages   [stageCount]prometheus.Observer
	rows     prometheus.Observer

	succeeded  atomic.Int64
	malformed  atomic.Int64                       // failed outside of the scheduler
	answered   [scheduler.Closed + 1]atomic.Int64 // by outcome of the scheduler
	inferences atomic.Int64                       // rows answered
	runs       atomic.Int64
	requestNs  atomic.Int64 // of those that succeeded
	stageNs    [stageCount]atomic.Int64
	failedNs   atomic.Int64
	last       atomic.Int64 // when the last request came, in ms since 1970; 0 = none has
	inside     atomic.Int64 // requests between their arrival and their answer
	unrun      atomic.Int64 // requests between their arrival and the end of their run
	batches    batchStatistics
	pace       pace

	scheduler atomic.Pointer[scheduler.Scheduler] // that takes requests now; nil before the first is ready
}

var _ scheduler.Observer = (*versionMetrics)(nil)

// of returns the series of a model version. They start at 0 and go on when the version is loaded again.
func (m *metrics) of(model, version string) *versionMetrics {
	m.stages.mu.Lock()
	defer m.stages.mu.Unlock()
	key := [2]string{model, version}
	if v := m.stages.versions[key]; v != nil {
		return v
	}
	v := &versionMetrics{
		model: model, version: version,
		ok:       m.requests.WithLabelValues(model, version, "200"),
		duration: m.durations.WithLabelValues(model, version),
		rows:     m.stages.rows.WithLabelValues(model, version),
	}
	for stage := range v.stages {
		v.stages[stage] = m.stages.stages[stage].WithLabelValues(model, version)
	}
	m.stages.versions[key] = v
	return v
}

// forget ends the series of a model version that nobody uses any more.
func (m *metrics) forget(model, version string) {
	m.stages.mu.Lock()
	defer m.stages.mu.Unlock()
	delete(m.stages.versions, [2]string{model, version})
	labels := prometheus.Labels{"model": model, "version": version}
	for _, h := range append(m.stages.histograms(), m.durations) {
		h.DeletePartialMatch(labels)
	}
	m.requests.DeletePartialMatch(labels)
	m.ready.DeletePartialMatch(labels)
}

// Ran counts a run.
func (v *versionMetrics) Ran(r scheduler.Run) {
	v.runs.Add(1)
	v.pace.ran(r.Requests)
	v.batches.ran(r)
	v.rows.Observe(float64(r.Rows))
	v.stages[stageInput].Observe(r.Input.Seconds())
	v.stages[stageInfer].Observe(r.Infer.Seconds())
	v.stages[stageOutput].Observe(r.Output.Seconds())
}

// Answered counts what has come through the scheduler.
func (v *versionMetrics) Answered(a scheduler.Answer) {
	v.answered[a.Outcome].Add(1)
	if a.Outcome != scheduler.Succeeded {
		return
	}
	t := &a.Timing
	v.stages[stageQueue].Observe(t.Queue.Seconds())
	v.inferences.Add(int64(a.Rows))
	for stage, took := range [stageCount]time.Duration{t.Queue, t.Input, t.Infer, t.Output} {
		v.stageNs[stage].Add(int64(took))
	}
}

// came counts a request that has found the version, and returns how many have not been run, with this one.
func (v *versionMetrics) came(began time.Time) (unrun int64) {
	v.inside.Add(1)
	v.last.Store(began.UnixMilli())
	return v.unrun.Add(1)
}

// ended counts a request when its answer has been made. refused means that the scheduler has counted its failure.
func (v *versionMetrics) ended(succeeded, refused bool, began time.Time) {
	if succeeded {
		v.succeeded.Add(1)
		v.requestNs.Add(int64(time.Since(began)))
		return
	}
	v.failedNs.Add(int64(time.Since(began)))
	if !refused {
		v.malformed.Add(1)
	}
}

// failures is how many requests have failed, for whatever reason.
func (v *versionMetrics) failures() int64 {
	failed := v.malformed.Load()
	for o := scheduler.Succeeded + 1; int(o) < len(v.answered); o++ {
		failed += v.answered[o].Load()
	}
	return failed
}

// eachVersion calls f for all versions that there are series of.
func (m *stageMetrics) eachVersion(f func(*versionMetrics)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.versions {
		f(v)
	}
}

// Describe describes the histograms. The registry checks the rest as it comes.
func (m *stageMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, h := range m.histograms() {
		h.Describe(ch)
	}
}

func (m *stageMetrics) histograms() []*prometheus.HistogramVec { return append(m.stages[:], m.rows) }

// Collect reads the counters of all versions.
func (m *stageMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, h := range m.histograms() {
		h.Collect(ch)
	}
	m.eachVersion(func(v *versionMetrics) { v.collect(ch) })
}

// collect emits one version's numbers.
func (v *versionMetrics) collect(ch chan<- prometheus.Metric) {
	emit := func(kind prometheus.ValueType, name, help string, value int64, label ...string) {
		labels, values := perVersion(), []string{v.model, v.version}
		if len(label) == 2 {
			labels, values = append(labels, label[0]), append(values, label[1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, labels, nil), kind, float64(value), values...)
	}
	for _, o := range []scheduler.Outcome{scheduler.QueueFull, scheduler.Expired, scheduler.Cancelled, scheduler.Closed} {
		emit(prometheus.CounterValue, "ganglion_node_rejections_total", "Requests that got no run, or no use of one, by reason.",
			v.answered[o].Load(), "reason", o.String())
	}
	var load scheduler.Stats
	if s := v.scheduler.Load(); s != nil {
		load = s.Stats()
	}
	emit(prometheus.GaugeValue, "ganglion_node_queue_requests", "Requests that wait for an instance.", load.QueuedRequests)
	emit(prometheus.GaugeValue, "ganglion_node_queue_bytes", "Input data of the requests that wait for an instance.", load.QueuedBytes)
	emit(prometheus.GaugeValue, "ganglion_node_instances_busy", "Instances that run, or are about to.", load.Busy)
	v.collectTriton(emit, load)
}

// collectTriton emits what Triton calls its own.
func (v *versionMetrics) collectTriton(emit func(kind prometheus.ValueType, name, help string, value int64, label ...string), load scheduler.Stats) {
	const counter = prometheus.CounterValue
	count := func(outcomes ...scheduler.Outcome) (n int64) {
		for _, o := range outcomes {
			n += v.answered[o].Load()
		}
		return n
	}
	const failure, failureHelp = "nv_inference_request_failure", "Requests that failed, by reason."
	emit(counter, "nv_inference_request_success", "Requests that succeeded.", v.succeeded.Load())
	emit(counter, failure, failureHelp, count(scheduler.QueueFull, scheduler.Expired, scheduler.Closed), "reason", "REJECTED")
	emit(counter, failure, failureHelp, count(scheduler.Cancelled), "reason", "CANCELED")
	emit(counter, failure, failureHelp, count(scheduler.Failed), "reason", "BACKEND")
	emit(counter, failure, failureHelp, count(scheduler.Invalid)+v.malformed.Load(), "reason", "OTHER")
	emit(counter, "nv_inference_count", "Rows of the requests that succeeded.", v.inferences.Load())
	emit(counter, "nv_inference_exec_count", "Runs, of batches of any size.", v.runs.Load())
	emit(prometheus.GaugeValue, "nv_inference_pending_request_count", "Requests that wait for an instance.", load.QueuedRequests)
	emit(counter, "nv_inference_request_duration_us", "Sum over the requests that succeeded of their time in the node.", v.requestNs.Load()/1000)
	for stage, name := range [stageCount]string{"queue", "compute_input", "compute_infer", "compute_output"} {
		emit(counter, "nv_inference_"+name+"_duration_us", "Sum over the requests that succeeded of this stage of theirs, or of their batch.",
			v.stageNs[stage].Load()/1000)
	}
}
