package backend

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Devices watches the devices that an engine runs on from outside of it, where the engine would notice only with the next
// run that somebody sends, and reports what they do as metrics.
type Devices interface {
	// Run watches until ctx ends.
	Run(ctx context.Context) error

	// Health is nil, or why a device that the engine uses is of no use any more. It only reads a variable.
	Health() error

	prometheus.Collector
}

// health is why the node cannot compute any more, nil as long as it can. What it has once told does not pass: only a new
// process gets rid of it.
func (s *Server) health() error {
	if err := s.engine.Health(); err != nil {
		return err
	}
	if s.cfg.Devices != nil {
		return s.cfg.Devices.Health()
	}
	return nil
}

// lookAfter is how often the node looks at its own health to say in the log what has become of it. Readiness and metrics do
// not wait for that.
const lookAfter = 250 * time.Millisecond

// watchHealth writes the log line about an engine that has become sick, once.
func (s *Server) watchHealth(ctx context.Context) error {
	ticker := time.NewTicker(lookAfter)
	defer ticker.Stop()
	for said := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.health(); err != nil && !said {
			s.log.Error("the engine is sick: the node is not ready, and will not be until it is restarted", "reason", err, "device", s.engine.Info().Device)
			said = true
		}
	}
}

// registerHealth adds the metrics of the engine and of what it runs on.
func (s *Server) registerHealth() {
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ganglion_node_healthy",
		Help: "1 as long as engine and devices work; 0 when only a restart can help.",
	}, func() float64 {
		if s.health() != nil {
			return 0
		}
		return 1
	}))
	for name, gauge := range map[string]struct {
		help string
		read func(Arena) int64
	}{
		"ganglion_node_arena_used_bytes":  {"Host memory that tensors of runs take.", func(a Arena) int64 { return a.Used }},
		"ganglion_node_arena_held_bytes":  {"Host memory held for tensors of runs.", func(a Arena) int64 { return a.Held }},
		"ganglion_node_arena_limit_bytes": {"Host memory that tensors of runs may take; 0 is no limit.", func(a Arena) int64 { return a.Limit }},
	} {
		s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: gauge.help},
			func() float64 { return float64(gauge.read(s.engine.Arena())) }))
	}
	if s.cfg.Devices != nil {
		s.metrics.registry.MustRegister(s.cfg.Devices)
	}
}
