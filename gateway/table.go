package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

	stable *variant
	canary *variant        // nil = none
	choice *rollout.Choice // between the two; nil without a canary

	shadow *variant        // nil = none
	mirror *rollout.Mirror // nil without a shadow

	cacheTally cacheTally
	loads      atomic.Uint64 // through this gateway; answers from before the last one are not given any more
}

// variant is one target of a route.
type variant struct {
	name    string // stable, canary or shadow
	route   *route
	pool    *upstream
	model   *balancer.Model // of a route that is named after one; nil = each request says
	version string          // "" = as the client asked
	percent float64
	metrics variantMetrics

	identity []byte // route, variant and pool, as a part of cache keys
}

// memory is what large bodies of all nodes together may take.
type memory struct {
	answers hop.Budget // upstream.max_answer_memory
	bodies  hop.Memory // server.max_body_memory
}

// buildTable makes the table of a checked configuration. It starts nothing.
func buildTable(cfg *Config, mem memory, log *slog.Logger) (*table, error) {
	t := &table{named: make(map[string]*route, len(cfg.Routes))}
	pools := make(map[string]*upstream, len(cfg.Pools))
	for _, name := range slices.Sorted(maps.Keys(cfg.Pools)) {
		up, err := newUpstream(name, cfg, mem, log)
		if err != nil {
			return nil, fmt.Errorf("pool %q: %w", name, err)
		}
		pools[name] = up
		t.pools = append(t.pools, up)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Routes)) {
		rt := newRoute(name, cfg.Routes[name], pools, log)
		t.routes = append(t.routes, rt)
		if name == anyModel {
			t.rest = rt
		} else {
			t.named[name] = rt
		}
	}
	return t, nil
}

func newRoute(name string, cfg RouteConfig, pools map[string]*upstream, log *slog.Logger) *route {
	rt := &route{name: name, timeout: cfg.Timeout, ttl: cfg.Cache.TTL}
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
		for _, v := range []*variant{rt.stable, rt.canary, rt.shadow} {
			if v != nil && !yield(v) {
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
