package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ganglion/balancer"
	"ganglion/balancer/replay"
)

// ErrRecording means that somebody records already.
var ErrRecording = errors.New("a recording is under way, and there is one at a time")

// MaxRecording is the longest recording: at thousands of decisions a second it is gigabytes.
const MaxRecording = 10 * time.Minute

// recordRoom is how many decisions may wait to be written: a tenth of a second at 80,000 a second, in 2 MB.
const recordRoom = 8192

// flushEvery is how often a recording is flushed, so that whoever reads it sees that it runs.
const flushEvery = 250 * time.Millisecond

// Record writes a trace (see package replay) of the decisions of the named pools, all of them without names, until the time is
// over or ctx ends, and then its last line. flush is called now and then. Decisions that come faster than w takes them are
// dropped and counted; a pool that a reload replaces is recorded no further. It returns ErrRecording while another one runs.
func (g *Gateway) Record(ctx context.Context, w io.Writer, flush func() error, pools []string, d time.Duration) error {
	if d <= 0 || d > MaxRecording {
		return fmt.Errorf("for %s: accepted is more than 0, up to %s", d, MaxRecording)
	}
	ups, err := g.table.Load().someUpstreams(pools)
	if err != nil {
		return err
	}
	if !g.recording.CompareAndSwap(false, true) {
		return ErrRecording
	}
	defer g.recording.Store(false)
	began := time.Now()
	r := balancer.NewRecording(recordRoom)
	for _, up := range ups {
		up.Pool.Record(r)
		defer up.EndRecord(r)
	}
	out, err := replay.NewWriter(w, header(g.version, began, ups))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := copyDecisions(ctx, out, r, began, flush); err != nil {
		return err
	}
	if err := out.Close(time.Since(began).Seconds(), r.Dropped()); err != nil {
		return err
	}
	return flush()
}

// someUpstreams are the pools of those names, or all of them.
func (t *table) someUpstreams(names []string) ([]*upstream, error) {
	if len(names) == 0 {
		return t.pools, nil
	}
	var some []*upstream
	var have []string
	for _, up := range t.pools {
		have = append(have, up.Name())
		for _, name := range names {
			if name == up.Name() {
				some = append(some, up)
				break
			}
		}
	}
	if len(some) != len(names) {
		return nil, fmt.Errorf("pools %s: accepted are different ones of %s", strings.Join(names, ", "), strings.Join(have, ", "))
	}
	return some, nil
}

// header says what the pools are like now.
func header(version string, began time.Time, ups []*upstream) replay.Header {
	h := replay.Header{Began: began.UTC().Format(time.RFC3339Nano), Gateway: version}
	for _, up := range ups {
		p := replay.Pool{Name: up.Name(), Policy: up.Policy()}
		for _, n := range up.Members() {
			p.Nodes = append(p.Nodes, replay.Node{Address: n.Address(), Weight: n.Weight()})
		}
		h.Pools = append(h.Pools, p)
	}
	return h
}

// copyDecisions writes what is recorded until ctx ends, which is no error.
func copyDecisions(ctx context.Context, out *replay.Writer, r *balancer.Recording, began time.Time, flush func() error) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return writeRest(out, r, began)
		case <-tick.C:
			err = flush()
		case d := <-r.Decisions():
			err = writeDecision(out, &d, began)
		}
		if err != nil {
			return err
		}
	}
}

// writeRest writes what has been recorded and not been written, and no more: attempts go on.
func writeRest(out *replay.Writer, r *balancer.Recording, began time.Time) error {
	for range len(r.Decisions()) {
		d := <-r.Decisions()
		if err := writeDecision(out, &d, began); err != nil {
			return err
		}
	}
	return nil
}

// writeDecision writes a line, unless the decision fell before the recording began: then it would be one of few from that time.
func writeDecision(out *replay.Writer, d *balancer.Decision, began time.Time) error {
	at := d.Picked.Sub(began).Seconds()
	if at < 0 {
		return nil
	}
	line := replay.Decision{
		At: at, Pool: d.Pool.Name(), Model: d.Model, Key: replay.Key(d.Ask.Key), Stick: d.Ask.Stick, Attempt: d.Attempt,
		Candidates: d.Candidates, Node: d.Node.Address(), Ahead: max(0, d.Ahead), End: d.Outcome.String(), Took: d.Took.Seconds(),
	}
	if d.Load.Known {
		line.Load = &replay.Load{Queued: d.Load.Queued, InFlight: d.Load.InFlight}
	}
	return out.Write(&line)
}
