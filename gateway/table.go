package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ganglion/balancer"
	"ganglion/gateway/rollout"
	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// table is what a configuration says about routes and pools. It is immutable once it is published; an exchange keeps
// the one it started with. Counters inside it move.
type table struct {
	cfg    *Config
	routes []*route // by name
	named  map[string]*route
	rest   *route // "*"; may be nil
	pools  []*upstream
}

// route is one [routes.NAME].
type route struct {
	name    string
	timeout time.Duration
	ttl     time.Duration // of cached answers; 0 = not cached

	priority PriorityConfig

	stable *variant
	canary *variant        // nil = none
	choice *rollout.Choice // between the two; nil without a canary

	shadow *variant        // nil = none
	mirror *rollout.Mirror // nil without a shadow

	// Counters, which the route has together with those of its name in tables before and after this one.
	cacheTally *cacheTally
	loads      *atomic.Uint64 // through this gateway; answers from before the last one are not given any more
}

// variant is one target of a route.
type variant struct {
	name    string // stable, canary or shadow
	route   *route
	pool    *upstream
	model   *balancer.Model // of a route that is named after one; nil = each request says
	version string          // "" = as the client asked
	percent float64
	metrics *variantMetrics // as the route's counters

	identity []byte // route, variant and pool, as a part of cache keys
}

// memory is what large bodies of all nodes together may take.
type memory struct {
	answers hop.Budget // upstream.max_answer_memory
	bodies  hop.Memory // server.max_body_memory
}

// buildTable makes the table of a checked configuration, of what did not change in the one before it; nil = there was none. It
// starts nothing.
func buildTable(cfg *Config, before *table, mem memory, log *slog.Logger) (*table, error) {
	t := &table{cfg: cfg, named: make(map[string]*route, len(cfg.Routes))}
	pools := make(map[string]*upstream, len(cfg.Pools))
	for _, name := range slices.Sorted(maps.Keys(cfg.Pools)) {
		up := before.keptPool(name, cfg)
		if up == nil {
			var err error
			if up, err = newUpstream(name, cfg, mem, log); err != nil {
				return nil, fmt.Errorf("pool %q: %w", name, err)
			}
		}
		pools[name] = up
		t.pools = append(t.pools, up)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Routes)) {
		rt := before.keptRoute(name, cfg, pools)
		if rt == nil {
			rt = newRoute(name, cfg.Routes[name], pools, before, log)
		}
		t.routes = append(t.routes, rt)
		if name == anyModel {
			t.rest = rt
		} else {
			t.named[name] = rt
		}
	}
	return t, nil
}

// keptPool is the pool of that name if only its nodes have changed, else nil.
func (t *table) keptPool(name string, cfg *Config) *upstream {
	if t == nil {
		return nil
	}
	if old, was := t.cfg.Pools[name]; !was || !old.sameBut(cfg.Pools[name]) {
		return nil
	}
	return t.pool(name)
}

// keptRoute is the route of that name if nothing has changed for it, else nil.
func (t *table) keptRoute(name string, cfg *Config, pools map[string]*upstream) *route {
	rt := t.route(name)
	if rt == nil || !reflect.DeepEqual(t.cfg.Routes[name], cfg.Routes[name]) {
		return nil
	}
	for _, v := range rt.variants() {
		if pools[v.pool.Name()] != v.pool {
			return nil
		}
	}
	return rt
}

// route is the route of that name, nil if there is none.
func (t *table) route(name string) *route {
	switch {
	case t == nil:
		return nil
	case name == anyModel:
		return t.rest
	}
	return t.named[name]
}

// variants are those that the route has.
func (rt *route) variants() []*variant {
	return slices.DeleteFunc([]*variant{rt.stable, rt.canary, rt.shadow}, func(v *variant) bool { return v == nil })
}

// countOn makes the route go on with the counters of the one that had its name, nil for none.
func (rt *route) countOn(old *route) {
	if old == nil {
		return
	}
	rt.cacheTally, rt.loads = old.cacheTally, old.loads
	for _, v := range rt.variants() {
		for _, was := range old.variants() {
			if v.name == was.name {
				v.metrics = was.metrics
			}
		}
	}
}

func newRoute(name string, cfg RouteConfig, pools map[string]*upstream, before *table, log *slog.Logger) *route {
	rt := &route{name: name, timeout: cfg.Timeout, ttl: cfg.Cache.TTL, priority: cfg.Priority, cacheTally: new(cacheTally), loads: new(atomic.Uint64)}
	rt.stable = rt.newVariant("stable", pools[cfg.Pool], cfg.Version, 100)
	if cn := cfg.Canary; cn != nil {
		rt.canary = rt.newVariant("canary", pools[or(cn.Pool, cfg.Pool)], or(cn.Version, cfg.Version), cn.Weight)
		rt.stable.percent -= cn.Weight
		rt.choice = rollout.NewChoice(cn.Weight, cn.Header)
	}
	if sh := cfg.Shadow; sh != nil && sh.Percent > 0 {
		rt.shadow = rt.newVariant("shadow", pools[or(sh.Pool, cfg.Pool)], or(sh.Version, cfg.Version), sh.Percent)
		rt.mirror = rollout.NewMirror(sh.Percent, sh.Timeout, rt.shadow.sendCopy, log.With("route", name))
	}
	rt.countOn(before.route(name))
	return rt
}

func (rt *route) newVariant(name string, pool *upstream, version string, percent float64) *variant {
	v := &variant{
		name: name, route: rt, pool: pool, version: version, percent: percent, metrics: newVariantMetrics(rt.name, name),
		identity: []byte(rt.name + "/" + name + "/" + pool.Name()), // none of the names has a slash
	}
	if rt.name != anyModel {
		v.model = pool.Know(string(v.appendModel(nil, rt.name)))
	}
	return v
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// find returns the route of a model, nil when there is none: the exact name, or else "*".
func (t *table) find(model string) *route {
	if rt, ok := t.named[model]; ok {
		return rt
	}
	return t.rest
}

// ready reports whether a node is up that has the variant's model, or any node if the model is a matter of the request.
func (v *variant) ready() bool {
	if v.model != nil {
		return v.model.Ready()
	}
	return v.pool.Ready()
}

// ready returns nil when at least one route can serve, or what is missing.
func (t *table) ready() error {
	text := "no route has a node that is up and has its model"
	for _, rt := range t.routes {
		if rt.stable.ready() {
			return nil
		}
		if why := rt.stable.pool.roster.empty(); why != "" && !strings.Contains(text, why) {
			text += "; " + why
		}
	}
	return errors.New(text)
}

// variants yields every variant of every route.
func (t *table) variants(yield func(*variant) bool) {
	for _, rt := range t.routes {
		for _, v := range rt.variants() {
			if !yield(v) {
				return
			}
		}
	}
}

// choose picks the variant for a call. A client that names a version wants exactly that one: it gets the stable
// variant, and no version of ours replaces its own.
func (rt *route) choose(x *exchange) *variant {
	if rt.choice == nil || x.call.Version != "" || !answersModel(x.call.Kind) {
		return rt.stable
	}
	if rt.choice.Canary(rt.forcing(x)) {
		return rt.canary
	}
	return rt.stable
}

// forcing is the value of the header that may force the choice, nil without one.
func (rt *route) forcing(x *exchange) []byte {
	if name := rt.choice.Header(); name != "" {
		return x.req.Header.Peek(name)
	}
	return nil
}

// answersModel reports whether the call makes the model work. Only such calls are split, cached and mirrored: metadata
// that changed from call to call would confuse clients, and says nothing about a canary.
func answersModel(k oip.Kind) bool { return k == oip.CallModelInfer || k == oip.CallV1Predict }

// versionFor is the version that a call to the variant carries in its path, "" for none.
func (v *variant) versionFor(call oip.Call) string {
	if call.Version != "" {
		return call.Version
	}
	return v.version
}
