package backend

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"ganglion/internal/oip"
)

// durationBuckets are those of all durations: a tiny model answers in 30 microseconds, a large one on a busy CPU in seconds,
// so they are factors of about 3 apart.
func durationBuckets() []float64 {
	return []float64{30e-6, 100e-6, 300e-6, 1e-3, 3e-3, 10e-3, 30e-3, 100e-3, 300e-3, 1, 3, 10, 30}
}

// metrics are the node's, on a registry of its own: two nodes in one process, as in tests, do not share any.
type metrics struct {
	registry     *prometheus.Registry
	requests     *prometheus.CounterVec   // model, version, status
	durations    *prometheus.HistogramVec // model, version
	inFlight     prometheus.Gauge
	ready        *prometheus.GaugeVec // model, version
	loadFailures prometheus.Counter
	refusals     *prometheus.CounterVec // status
	stages       *stageMetrics
	hop          hopMetrics
}

func newMetrics(cfg Config, info EngineInfo) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ganglion_node_requests_total",
			Help: "Inference requests answered, by the HTTP status of the answer; model and version are empty where the node has none of that name.",
		}, []string{"model", "version", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ganglion_node_request_duration_seconds",
			Help:    "Time from a whole request to its whole answer, for inferences that found a model.",
			Buckets: durationBuckets(),
		}, []string{"model", "version"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ganglion_node_requests_in_flight",
			Help: "Inference requests being worked on or waiting to be.",
		}),
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ganglion_node_model_ready",
			Help: "1 where a model version is ready, 0 where it could not be loaded.",
		}, []string{"model", "version"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ganglion_node_http_refusals_total",
			Help: "Requests refused before anybody read what they ask for (malformed, too large, too slow), by the HTTP status of the answer.",
		}, []string{"status"}),
		loadFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ganglion_node_load_failures_total",
			Help: "Models and versions that could not be loaded.",
		}),
	}
	about := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ganglion_node_info",
		Help: "1; the labels say what the node is.",
		ConstLabels: prometheus.Labels{
			"id": cfg.ID, "version": cfg.Version, "engine": info.Name, "engine_version": info.Version, "device": info.Device,
		},
	})
	about.Set(1)
	m.stages = newStageMetrics()
	m.registry.MustRegister(m.stages, m.requests, m.durations, m.inFlight, m.ready, m.loadFailures, m.refusals, about,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// answered counts an inference. in is nil where the request found no model: a client's words make no series.
func (m *metrics) answered(in *instance, status int, began time.Time) {
	switch {
	case in == nil:
		m.requests.WithLabelValues("", "", strconv.Itoa(status)).Inc()
		return
	case status == http.StatusOK:
		in.metrics.ok.Inc()
	default:
		m.requests.WithLabelValues(in.name, in.version, strconv.Itoa(status)).Inc()
	}
	in.metrics.duration.Observe(time.Since(began).Seconds())
}

// serveMetrics answers GET /metrics in Prometheus' text format.
func (s *Server) serveMetrics(x *exchange) {
	families, err := s.metrics.registry.Gather()
	if err != nil {
		x.json(http.StatusInternalServerError, oip.AppendError(x.answer[:0], "cannot gather metrics: "+err.Error()))
		return
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	text := bytes.NewBuffer(x.answer)
	encoder := expfmt.NewEncoder(text, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			x.json(http.StatusInternalServerError, oip.AppendError(x.answer[:0], "cannot write metrics: "+err.Error()))
			return
		}
	}
	x.status, x.reply.contentType, x.answer = http.StatusOK, string(format), text.Bytes()
}
