package backend

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
)

// hopMetrics count what comes by the hop.
type hopMetrics struct {
	open     atomic.Int64
	accepted atomic.Int64
	requests atomic.Int64
	panics   atomic.Int64
}

func (m *hopMetrics) opened() {
	m.open.Add(1)
	m.accepted.Add(1)
}

func (m *hopMetrics) closed() { m.open.Add(-1) }

// refused counts a request that was refused before anybody read what it asks for: malformed, too large, too slow. It is
// httpserver's hook.
func (m *metrics) refused(_ *fasthttp.RequestCtx, status int, _ string) {
	m.refusals.WithLabelValues(strconv.Itoa(status)).Inc()
}

// observe shows what the connections do.
func (m *metrics) observe(server *httpserver.Server) {
	counter := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.registry.MustRegister(
		gauge("ganglion_node_http_connections", "Connections open now, those that speak the hop included.",
			func() float64 { return float64(server.Stats().Open) }),
		counter("ganglion_node_http_connections_refused_total", "Connections closed at once because as many as may be were open.",
			func() float64 { return float64(server.Stats().Refused) }),
		counter("ganglion_node_http_requests_total", "Requests that came by HTTP and were not refused for their form.",
			func() float64 { return float64(server.Stats().Requests) }),
		gauge("ganglion_node_body_bytes", "Memory of the request bodies of more than 16 KiB, by HTTP and by the hop.",
			func() float64 { return float64(server.Stats().BodyBytes) }),
		counter("ganglion_node_panics_total", "Handlers that panicked: each is a bug.",
			func() float64 { return float64(server.Stats().Panics) + float64(m.hop.panics.Load()) }),
		gauge("ganglion_node_hop_connections", "Connections that speak the hop, open now.",
			func() float64 { return float64(m.hop.open.Load()) }),
		counter("ganglion_node_hop_connections_total", "Connections that have spoken the hop.",
			func() float64 { return float64(m.hop.accepted.Load()) }),
		counter("ganglion_node_hop_requests_total", "Requests that came by the hop.",
			func() float64 { return float64(m.hop.requests.Load()) }),
	)
}

// observeHop shows what is told to gateways.
func (m *metrics) observeHop(server *hop.Server) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "ganglion_node_hop_loads_told_total",
		Help: "Times that a gateway was told of the node's load without an answer, because others have changed it.",
	}, func() float64 { return float64(server.Told()) }), prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "ganglion_node_hop_requests_declined_total",
		Help: "Requests that were declined before they were begun, because the node held more than their gateway believed, or would have had them wait longer.",
	}, func() float64 { return float64(server.Declined()) }))
}
