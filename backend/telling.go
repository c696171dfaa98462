package backend

import (
	"context"
	"time"

	"ganglion/internal/hop"
)

// teller tells gateways the node's load when it changes. A gateway that is not alone gets few of the node's answers, and what it
// knows of the node is old: with eight of them and eight nodes that work 5 ms on a request, p99 in the simulation (bench/sim) is 1.9
// times an ideal queue's, and 1.4 times when nodes tell.
type teller struct {
	hop  *hop.Server
	wake chan struct{} // holds one token: the load has changed
}

const (
	// tellEvery is the least time between two. In that simulation 2 ms come to 1.5 times, and half a millisecond to 1.35; where
	// attempts that collide are declined, news is believed, and worth the more the younger it is. Gateways of many nodes want to hear less.
	tellEvery = 300 * time.Microsecond
	// tellPace is the least time between two on average, and tellBurst how much of it may be drawn in advance. A node that works for
	// milliseconds on each request has less to tell than that, and tells it early; of one that answers thousands a second the
	// gateways hear no more often than is worth 7 µs or more of everybody's time.
	tellPace  = time.Millisecond
	tellBurst = 8 * tellPace
	// tellCompany is from how many gateways on there is something to tell: one alone knows what it has sent.
	tellCompany = 2
	// tellBatches is the number of requests a run from which on nothing is told. A batch takes all that wait, so that a busy node
	// is not worse than others; gateways that flee from it spread what should be run together, and p99 rises.
	tellBatches = 2
)

// changed says that a request has come or gone. It costs nothing while there is nobody to tell.
func (t *teller) changed() {
	if t.hop.Clients() < tellCompany {
		return
	}
	select {
	case t.wake <- struct{}{}:
	default: // it is known already
	}
}

// tellLoad tells until ctx ends.
func (s *Server) tellLoad(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	began, pace := time.Now(), tellingPace(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.teller.wake:
		}
		if load, worth := s.loadToTell(nil); worth && s.hop.Tell(load) {
			s.teller.changed()
		}
		pause.Reset(pace.told(time.Since(began)))
	}
}

// tellingPace is when all that was told would have been told at tellPace.
type tellingPace time.Duration

// told returns for how long to be silent after something has been told now.
func (p *tellingPace) told(now time.Duration) time.Duration {
	*p = max(*p, tellingPace(now)) + tellingPace(tellPace)
	return max(tellEvery, time.Duration(*p)-now-tellBurst)
}

// loadToTell is the node's load now, and whether that helps anybody to choose. without is a request that is to be left out, which has
// not been run; nil = none.
func (s *Server) loadToTell(without *inference) (load hop.Load, worth bool) {
	load, worth = hop.Load{Known: true}, true
	s.metrics.stages.eachVersion(func(v *versionMetrics) {
		of := v.loadToTell(without)
		load.Queued += of.Queued
		load.InFlight += of.InFlight
		load.Wait = max(load.Wait, of.Wait)
		if of.Worked > 0 && (load.Worked == 0 || of.Worked < load.Worked) {
			load.Worked = of.Worked
		}
		if of.Queued+of.InFlight > 0 && v.pace.requests.Load() >= tellBatches*paceUnit {
			worth = false
		}
	})
	return load, worth
}

// loadToTell is the version's part of it. Where each request takes an instance, those that will wait for one count as queued from
// their arrival on, and not only once they have been decoded.
func (v *versionMetrics) loadToTell(without *inference) hop.Load {
	load := v.loadNow()
	if !load.Known {
		return load
	}
	s := v.scheduler.Load()
	load.Worked = s.Worked()
	held, unrun := int64(load.Queued)+int64(load.InFlight), v.unrun.Load()
	if without != nil && without.in.metrics == v {
		held, unrun = held-1, without.unrun-1 // who came later is not in its way
	}
	if s.LargestRun() == 1 {
		load.Queued = toUint32(unrun - s.Stats().Instances)
	}
	load.InFlight = toUint32(held - int64(load.Queued))
	return load
}
