package rpc

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// metrics are what the server counts of its own. Inferences are counted by the node, whatever they came by.
type metrics struct {
	methods []*callMetrics // filled by New, only read since
	open    atomic.Int64   // connections
	refused atomic.Int64   // connections
	streams atomic.Int64   // open ModelStreamInfer calls
}

// callMetrics count the calls of one method that have ended, by their code.
type callMetrics struct {
	method string
	codes  [codes.Unauthenticated + 1]atomic.Int64 // the last code there is
}

// calls returns the counters of a method.
func (m *metrics) calls(method string) *callMetrics {
	c := &callMetrics{method: method}
	m.methods = append(m.methods, c)
	return c
}

func (c *callMetrics) ended(err error) {
	c.codes[min(status.Code(err), codes.Unauthenticated)].Add(1)
}

// Describe implements prometheus.Collector.
func (s *Server) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(s, descriptions)
}

// Collect implements prometheus.Collector.
func (s *Server) Collect(metrics chan<- prometheus.Metric) {
	emit := func(kind prometheus.ValueType, name, help string, value int64) {
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), kind, float64(value))
	}
	m := &s.metrics
	emit(prometheus.GaugeValue, "ganglion_node_grpc_connections", "gRPC connections open now.", m.open.Load())
	emit(prometheus.CounterValue, "ganglion_node_grpc_connections_refused_total",
		"gRPC connections closed at once because as many as may be were open.", m.refused.Load())
	emit(prometheus.GaugeValue, "ganglion_node_grpc_streams", "Calls of ModelStreamInfer open now.", m.streams.Load())
	emit(prometheus.GaugeValue, "ganglion_node_grpc_request_bytes", "Memory of the inference requests being worked on that came by gRPC.", s.requests.Used())
	emit(prometheus.GaugeValue, "ganglion_node_grpc_answer_bytes", "Memory of answers of more than 16 KiB that gRPC clients have not read yet.", s.answers.Used())
	calls := prometheus.NewDesc("ganglion_node_grpc_calls_total", "gRPC calls that have ended, by method and code.", []string{"method", "code"}, nil)
	for _, c := range m.methods {
		for code := range c.codes {
			if n := c.codes[code].Load(); n > 0 || code == int(codes.OK) {
				metrics <- prometheus.MustNewConstMetric(calls, prometheus.CounterValue, float64(n), c.method, codes.Code(code).String())
			}
		}
	}
}
