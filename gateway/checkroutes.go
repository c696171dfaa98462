package gateway

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ganglion/balancer"
	"ganglion/internal/conf"
)

func (c *Config) checkRoutes(r *conf.Report) {
	if len(c.Routes) == 0 {
		r.Errorf("routes", "is missing: nothing could be served; add [routes.\"*\"] with pool = \"...\" to serve every model")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Routes)) {
		at := r.At("routes." + conf.Quote(name))
		if name != anyModel && !validName(name) {
			at.Errorf("", "%q is no model name: accepts 1 to 64 of A-Z a-z 0-9 _ . -, or \"*\" for the rest", name)
		}
		rt := c.Routes[name]
		c.checkRoute(at, &rt)
	}
}

func (c *Config) checkRoute(r *conf.Report, rt *RouteConfig) {
	if rt.Pool == "" {
		r.Errorf("pool", "is missing: a route needs a pool; %s", c.knownPools())
	} else {
		c.checkPoolName(r, rt.Pool)
	}
	checkVersion(r, rt.Version)
	atMost(r, "timeout", rt.Timeout, maxTimeout)
	c.checkRouteCache(r.At("cache"), rt.Cache)
	rt.Priority.check(r.At("priority"))
	if rt.Canary != nil {
		c.checkCanary(r.At("canary"), rt)
	}
	if rt.Shadow != nil {
		c.checkShadow(r.At("shadow"), rt)
	}
}

func (c *PriorityConfig) check(r *conf.Report) {
	is := func(key string, p int) bool {
		ok := p >= balancer.FirstPriority && p <= balancer.LastPriority
		if !ok {
			r.Errorf(key, "%d is no priority: accepts %d, which goes first, to %d", p, balancer.FirstPriority, balancer.LastPriority)
		}
		return ok
	}
	best, usual := is("best", c.Best), is("default", c.Default)
	if best && usual && c.Default < c.Best {
		r.Errorf("default", "%d goes before best = %d: a request that names no priority would get a better one than any that does", c.Default, c.Best)
	}
}

func (c *Config) checkPoolName(r *conf.Report, name string) {
	if _, ok := c.Pools[name]; ok {
		return
	}
	if s := conf.Suggest(name, slices.Sorted(maps.Keys(c.Pools))); s != "" {
		r.Errorf("pool", "no pool is named %q; did you mean %q?", name, s)
		return
	}
	r.Errorf("pool", "no pool is named %q; %s", name, c.knownPools())
}

// knownPools lists what could have been written, as far as a line has room.
func (c *Config) knownPools() string {
	names := slices.Sorted(maps.Keys(c.Pools))
	if len(names) == 0 {
		return "the file has none yet"
	}
	const room = 8
	if len(names) > room {
		names = append(names[:room], "...")
	}
	return "known are " + strings.Join(names, ", ")
}

// checkVersion wants what the protocol's paths can carry: /versions/{decimal digits}.
func checkVersion(r *conf.Report, v string) {
	if v == "" {
		return
	}
	if n, err := strconv.ParseUint(v, 10, 63); err != nil || n == 0 || v[0] == '0' {
		r.Errorf("version", "%q is no version: accepts a whole number from 1, such as \"3\"", v)
	}
}

func (c *Config) checkRouteCache(r *conf.Report, rc RouteCache) {
	// A month is far beyond the life of a model version; more is a slip of the unit.
	const longest = 31 * 24 * time.Hour
	switch {
	case rc.TTL < 0 || rc.TTL > longest || (rc.TTL > 0 && rc.TTL < time.Millisecond):
		r.Errorf("ttl", "%s is out of range: accepts 1ms to 744h, or 0s for no caching", rc.TTL)
	case rc.TTL > 0 && c.Cache.MaxBytes == 0:
		r.Warnf("ttl", "has no effect while cache.max_bytes = 0 turns the cache off")
	}
}

func (c *Config) checkCanary(r *conf.Report, rt *RouteConfig) {
	cn := rt.Canary
	c.checkTarget(r, rt, cn.Pool, cn.Version)
	checkPercent(r, "weight", cn.Weight)
	if cn.Header != "" && !validHeaderName(cn.Header) {
		r.Errorf("header", "%q cannot be used: accepts a name such as \"X-Canary\", of letters, digits and -, that HTTP itself does not use", cn.Header)
	}
	if cn.Weight == 0 && cn.Header == "" {
		r.Warnf("weight", "is 0 and no header is set: the canary gets no requests")
	}
}

func (c *Config) checkShadow(r *conf.Report, rt *RouteConfig) {
	sh := rt.Shadow
	c.checkTarget(r, rt, sh.Pool, sh.Version)
	checkPercent(r, "percent", sh.Percent)
	atMost(r, "timeout", sh.Timeout, maxTimeout)
	if sh.Compare {
		r.Warnf("compare", "not in this version yet: comparing answers; copies are sent and their answers counted, not compared")
	}
}

// checkTarget checks where a variant beside the stable one sends its requests. An empty pool or version is the route's own.
func (c *Config) checkTarget(r *conf.Report, rt *RouteConfig, pool, version string) {
	if pool != "" {
		c.checkPoolName(r, pool)
	}
	checkVersion(r, version)
	checkDiffers(r, rt, pool, version)
}

// checkDiffers refuses a variant that is the route itself under another name.
func checkDiffers(r *conf.Report, rt *RouteConfig, pool, version string) {
	if (pool == "" || pool == rt.Pool) && (version == "" || version == rt.Version) {
		r.Errorf("", "is the same as the route itself; give it another pool, another version, or both")
	}
}

func checkPercent(r *conf.Report, key string, p float64) {
	if !(p >= 0 && p <= 100) { // written so that NaN fails too
		r.Errorf(key, "%v is out of range: accepts a percentage from 0 to 100", p)
	}
}

// validHeaderName accepts names that a client can set freely: none that frames a message, routes it or is rewritten here.
func validHeaderName(s string) bool {
	if len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '-' {
			return false
		}
	}
	lower := strings.ToLower(s)
	reserved := []string{
		"host", "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "te", "trailer",
		"upgrade", "expect", "keep-alive", "authorization", "cookie", "x-request-id", "inference-header-content-length",
	}
	return !slices.Contains(reserved, lower) && !strings.HasPrefix(lower, "x-forwarded-") && !strings.HasPrefix(lower, "proxy-")
}
