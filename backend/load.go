package backend

import (
	"math"
	"sync/atomic"
	"time"

	"ganglion/internal/hop"
)

// The headers by which a client of plain HTTP asks for the node's load: the name of Envoy's and gRPC's convention, with the
// value text, and one of our own, with the value 1.
const (
	loadFormatName = "endpoint-load-metrics-format"
	loadName       = "X-Ganglion-Load"
)

// pace is how many requests runs of a model version have answered of late, in units of 1/paceUnit.
type pace struct{ requests atomic.Int64 }

// paceUnit divides a request finely enough for the average of small numbers.
const paceUnit = 1 << 10

// ran learns from a run. Each counts for an eighth: a change is known after about ten runs, and a single odd one forgotten.
// Two runs that end at the same moment may lose one of the two, which an average does not feel.
func (p *pace) ran(requests int) {
	value := int64(requests) * paceUnit
	if old := p.requests.Load(); old != 0 {
		value = old + (value-old)/8
	}
	p.requests.Store(value)
}

// loadNow is the load of the version.
func (v *versionMetrics) loadNow() hop.Load {
	s := v.scheduler.Load()
	if s == nil {
		return hop.Load{}
	}
	stats := s.Stats()
	return hop.Load{
		Known:    true,
		Queued:   toUint32(stats.QueuedRequests),
		InFlight: toUint32(v.inside.Load() - stats.QueuedRequests),
		Wait:     stats.Wait,
		Batch:    uint8(min(s.LargestRun(), math.MaxUint8)),
	}
}

// toUint32 brings a count into the range that the hop carries. The counts of one moment are read one after the other, so that
// differences of them may be below 0.
func toUint32(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// nodeLoad is the load of all models together, as of a moment ago.
type nodeLoad struct {
	at     atomic.Int64 // when it was found out, in ns since the epoch
	counts atomic.Uint64
	waitNs atomic.Int64
}

// loadAge is how old a node's load may be: finding it out takes 30 ns for each model version, and whoever balances by it does
// not look more often than a round trip takes.
const loadAge = time.Millisecond

// loadAt is the node's load: the requests of all its models, and the longest wait that any of them has.
func (s *Server) loadAt(now time.Time) hop.Load {
	n := &s.nodeLoad
	if at := n.at.Load(); now.UnixNano()-at > int64(loadAge) && n.at.CompareAndSwap(at, now.UnixNano()) {
		var sum hop.Load
		s.metrics.stages.eachVersion(func(v *versionMetrics) {
			load := v.loadNow()
			sum.Queued += load.Queued
			sum.InFlight += load.InFlight
			sum.Wait = max(sum.Wait, load.Wait)
		})
		n.counts.Store(uint64(sum.Queued)<<32 | uint64(sum.InFlight))
		n.waitNs.Store(int64(sum.Wait))
	}
	counts := n.counts.Load()
	return hop.Load{Known: true, Queued: uint32(counts >> 32), InFlight: uint32(counts), Wait: time.Duration(n.waitNs.Load())}
}
