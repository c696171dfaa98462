package gateway

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"ganglion/internal/conf"
)

// Reloaded is what a reload has changed.
type Reloaded struct {
	Pools  Changes `json:"pools"`
	Routes Changes `json:"routes"`
	// Restart are the tables of the file that differ from what the gateway runs with, and that only a restart changes.
	Restart  []string `json:"restart,omitempty"`
	Warnings []string `json:"warnings,omitempty"` // about the file
}

// Changes are names of what is in the file.
type Changes struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"`
}

// ConfigStatus is how the gateway came to its configuration.
type ConfigStatus struct {
	Loaded  time.Time `json:"loaded"`
	Reloads uint64    `json:"reloads"`         // that were taken
	Refused uint64    `json:"refused_reloads"` // the configuration stayed as it was
	Error   string    `json:"error,omitempty"` // of the last reload, if it was refused
}

// reloads orders reloads and remembers them.
type reloads struct {
	mu sync.Mutex // held by the one that is under way

	status struct {
		sync.Mutex
		ConfigStatus
	}
}

// readyPatience bounds how long a reload waits until pools that it made anew have a node that is up: three times what a probe
// may take by default. Beyond it the new configuration holds all the same.
const readyPatience = 3 * time.Second

// Reload reads a configuration and makes its pools and routes those that new exchanges go by; exchanges under way keep
// theirs. What has not changed goes on with its counters, circuits and connections: a route whose table is the same, and a pool of
// which only nodes changed. Answers in the cache stay, being kept by route, pool and question. A pool whose other keys changed is
// made anew, and takes over when it is ready; what operators drained stays drained. On an error, of read too, everything is as
// it was. Any goroutine may call it; it blocks for some seconds at most.
func (g *Gateway) Reload(ctx context.Context, read func() (*Config, conf.Problems, error)) (Reloaded, error) {
	g.reloads.mu.Lock()
	defer g.reloads.mu.Unlock()
	done, err := g.reload(ctx, read)
	st := &g.reloads.status
	st.Lock()
	defer st.Unlock()
	if err != nil {
		st.Refused++
		st.Error = err.Error()
		g.log.Error("reload refused, the configuration stays as it was", "cause", err)
		return Reloaded{}, err
	}
	st.Reloads++
	st.Error, st.Loaded = "", time.Now()
	for _, w := range done.Warnings {
		g.log.Warn("configuration", "warning", w)
	}
	if len(done.Restart) > 0 {
		g.log.Warn("parts of the configuration take a restart", "tables", done.Restart)
	}
	g.log.Info("reloaded", "pools", done.Pools, "routes", done.Routes)
	return done, nil
}

func (g *Gateway) reload(ctx context.Context, read func() (*Config, conf.Problems, error)) (Reloaded, error) {
	if g.draining.Load() {
		return Reloaded{}, errors.New("the gateway is about to end")
	}
	cfg, warnings, err := read()
	if err != nil {
		return Reloaded{}, err
	}
	before := g.table.Load()
	merged := *before.cfg // the rest of the file takes a restart
	merged.Pools, merged.Routes = cfg.Pools, cfg.Routes
	after, err := buildTable(&merged, before, g.memory(), g.log)
	if err != nil {
		return Reloaded{}, err
	}
	g.crew.engage(after)
	after.awaitReady(ctx, before)
	g.switchTo(after, before)
	g.crew.engage(after) // again: Run may have begun with the table before
	g.crew.dismiss(before, after, before.patience())

	done := Reloaded{Pools: changes(before.cfg.Pools, cfg.Pools), Routes: changes(before.cfg.Routes, cfg.Routes), Restart: g.cfg.restart(cfg)}
	for _, w := range warnings {
		done.Warnings = append(done.Warnings, w.String())
	}
	return done, nil
}

// switchTo publishes a table. Orders to drain wait for it, so that none is lost between two pools of a name.
func (g *Gateway) switchTo(after, before *table) {
	g.drains.Lock()
	defer g.drains.Unlock()
	for _, up := range after.pools {
		old := before.pool(up.Name())
		switch {
		case old == up:
			up.roster.refix(after.cfg.Pools[up.Name()].Nodes)
		case old != nil:
			up.roster.takeOver(old.roster)
		}
	}
	g.table.Store(after)
}

// pool is the pool of that name, nil if there is none.
func (t *table) pool(name string) *upstream {
	if i := slices.IndexFunc(t.pools, func(up *upstream) bool { return up.Name() == name }); i >= 0 {
		return t.pools[i]
	}
	return nil
}

// awaitReady waits until the pools that are new in the table are ready, if the gateway was: it must not be unready because it was
// reloaded, and requests should not be the ones to find out which nodes of a new pool are up.
func (t *table) awaitReady(ctx context.Context, before *table) {
	if before.ready() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	for _, up := range t.pools {
		for before.pool(up.Name()) != up && !up.Ready() && ctx.Err() == nil {
			rest(ctx, 10*time.Millisecond)
		}
	}
}

// restart are the tables in which cfg differs from what is running, of those that a reload does not touch.
func (c *Config) restart(cfg *Config) (tables []string) {
	for _, part := range []struct {
		name     string
		now, new any
	}{
		{"server", c.Server, cfg.Server}, {"log", c.Log, cfg.Log}, {"upstream", c.Upstream, cfg.Upstream}, {"cache", c.Cache, cfg.Cache},
	} {
		if !reflect.DeepEqual(part.now, part.new) {
			tables = append(tables, part.name)
		}
	}
	return tables
}

// changes compares tables by name.
func changes[T any](before, after map[string]T) (c Changes) {
	for _, name := range slices.Sorted(maps.Keys(after)) {
		old, was := before[name]
		switch {
		case !was:
			c.Added = append(c.Added, name)
		case !reflect.DeepEqual(old, after[name]):
			c.Changed = append(c.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, is := after[name]; !is {
			c.Removed = append(c.Removed, name)
		}
	}
	return c
}

// sameBut reports whether two pools differ in their nodes at most.
func (c PoolConfig) sameBut(other PoolConfig) bool {
	c.Nodes, other.Nodes = nil, nil
	return reflect.DeepEqual(c, other)
}

// Series of reloads.
var (
	reloadsTotal = series("reloads_total", "Reloads of the configuration, by whether they were taken.", "result")
	configLoaded = series("config_loaded_timestamp_seconds", "When the configuration that holds now was loaded.")
)

func (s sink) collectReloads(st ConfigStatus) {
	s.counter(reloadsTotal, st.Reloads, "ok")
	s.counter(reloadsTotal, st.Refused, "refused")
	s.gauge(configLoaded, float64(st.Loaded.UnixMilli())/1000)
}

// configStatus is how the configuration came about.
func (g *Gateway) configStatus() ConfigStatus {
	g.reloads.status.Lock()
	defer g.reloads.status.Unlock()
	return g.reloads.status.ConfigStatus
}
