package discovery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// jitter is the part of a pause by which it is longer at random, so that gateways started together drift apart. Longer,
	// since an answer that is asked for again before its time comes from a cache with what is left of that time.
	jitter = 0.1
	// maxBackoff bounds the pauses while a source fails. Nobody else may tell a gateway without nodes that there are some.
	maxBackoff = 10 * time.Second
)

// Watcher keeps the list of one source. Make it with New, run it once.
type Watcher struct {
	source  source
	min     time.Duration
	max     time.Duration
	changed func()
	log     *slog.Logger
	hurry   chan struct{} // holds one token: look as soon as may be

	mu sync.Mutex
	st Status
}

// Status is a source at one moment.
type Status struct {
	Source string // as people know it: "dns nodes.internal:9000"
	Nodes  []Node // the list, in the order of addresses; read-only. Nil = there was none yet
	// Error is what is wrong with the source: the list is that of an earlier look, or, if Partial, lacks what failed. Nil =
	// nothing.
	Error   error
	Partial bool

	Looks    uint64 // at the source
	Changes  uint64 // of the list
	Failures [kinds]uint64

	Good    time.Time // of the last look that found a list, changed or not; zero = none
	Changed time.Time // when the list became what it is; zero = never
	Next    time.Time // when the source will be looked at again; zero = now, or it is not running
}

// Options are what watchers need from outside.
type Options struct {
	// Changed is called after each change of a list, by the goroutine of Run. It must not wait for that watcher.
	Changed func()
	Log     *slog.Logger
}

// New makes a watcher for each source that cfg, which must have been checked, names. It starts nothing.
func New(cfg Config, opt Options) []*Watcher {
	var all []*Watcher
	for _, s := range cfg.sources() {
		w := newWatcher(s, cfg.MinRefresh, cfg.MaxRefresh, opt)
		if _, is := s.(*fileSource); is {
			w.max = w.min // looking at a file costs nothing, whether it is good or not
		}
		all = append(all, w)
	}
	return all
}

func newWatcher(s source, least, most time.Duration, opt Options) *Watcher {
	return &Watcher{
		source: s, min: least, max: most, changed: opt.Changed, log: opt.Log.With("source", s.String()),
		hurry: make(chan struct{}, 1), st: Status{Source: s.String()},
	}
}

// Run looks at the source whenever it is time, until ctx ends. It returns nil.
func (w *Watcher) Run(ctx context.Context) error {
	for failed := 0; ; {
		f, err := w.source.look(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the error is about us, not about the source
		}
		if err != nil {
			failed++
		} else {
			failed = 0
		}
		pause := w.pause(f, failed)
		w.note(f, err, pause)
		w.await(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// await waits until the pause is over, or until the least of it is and somebody is in a hurry.
func (w *Watcher) await(ctx context.Context, pause time.Duration) {
	least := min(w.min, pause)
	rest(ctx, nil, least)
	rest(ctx, w.hurry, pause-least)
}

// rest waits for d, or until ctx ends or the signal comes.
func rest(ctx context.Context, signal <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-signal:
	}
}

// pause is the time until the next look.
func (w *Watcher) pause(f found, failed int) time.Duration {
	var d time.Duration
	switch {
	case f.again > 0:
		return min(f.again, w.min)
	case failed > 0:
		most := min(w.max, max(w.min, maxBackoff))
		d = min(w.min<<min(failed-1, 20), most)
	default:
		d = min(max(f.ttl, w.min), w.max)
	}
	return d + time.Duration(jitter*rand.Float64()*float64(d))
}

// Hurry has the source looked at as soon as its least time has passed, since somebody has reason to believe that the list has
// changed: a node does not answer any more. Any goroutine may call it; it does not wait.
func (w *Watcher) Hurry() {
	select {
	case w.hurry <- struct{}{}:
	default:
	}
}

// Status is the source as it is now.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.st
}

// note keeps what a look has found and tells who has to know.
func (w *Watcher) note(f found, err error, pause time.Duration) {
	w.mu.Lock()
	before := w.st
	w.st.Looks++
	w.st.Next = time.Now().Add(pause)
	if err == nil && f.again > 0 { // nothing is known yet
		w.mu.Unlock()
		return
	}
	flaw := err
	if err == nil {
		flaw, w.st.Good = f.flaw, time.Now()
	}
	w.st.Error, w.st.Partial = flaw, flaw != nil && err == nil
	if flaw != nil {
		w.st.Failures[kindOf(flaw)]++
	}
	turned := err == nil && !f.same && !slices.Equal(before.Nodes, f.nodes)
	if turned {
		w.st.Nodes, w.st.Changed = f.nodes, w.st.Good
		w.st.Changes++
	}
	now := w.st
	w.mu.Unlock()
	w.tell(&before, &now)
	if turned {
		w.changed()
	}
}

// tell writes the log: once for each change of the list, and of what is wrong.
func (w *Watcher) tell(before, now *Status) {
	if now.Changes != before.Changes {
		joined, left, altered := difference(before.Nodes, now.Nodes)
		w.log.Info("list of nodes changed", "nodes", len(now.Nodes), "joined", joined, "left", left, "altered", altered)
	}
	switch {
	case now.Error != nil && (before.Error == nil || before.Error.Error() != now.Error.Error()):
		w.log.Warn("discovery fails", "kind", kindOf(now.Error).String(), "cause", now.Error, "nodes_kept", len(now.Nodes))
	case now.Error == nil && before.Error != nil:
		w.log.Info("discovery works again")
	}
}

// Lookup looks at each source of cfg, which must have been checked, once, for people who want to know beforehand. The statuses
// are in the order of the sources.
func Lookup(ctx context.Context, cfg Config) []Status {
	var all []Status
	for _, s := range cfg.sources() {
		f, err := s.look(ctx)
		for err == nil && f.again > 0 && ctx.Err() == nil {
			rest(ctx, nil, f.again)
			f, err = s.look(ctx)
		}
		all = append(all, Status{Source: s.String(), Nodes: f.nodes, Error: errors.Join(err, f.flaw), Partial: err == nil && f.flaw != nil})
	}
	return all
}
