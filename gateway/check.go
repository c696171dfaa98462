package gateway

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// anyModel is the route that catches the models no other route names.
const anyModel = "*"

// maxTimeout bounds the durations of the file: what takes longer than an hour is a job, not an exchange.
const maxTimeout = time.Hour

// Check implements conf.Checker: it judges the file as a whole and finds everything at once.
func (c *Config) Check(r *conf.Report) {
	c.Server.check(r.At("server"))
	c.Log.check(r.At("log"))
	c.Upstream.check(r.At("upstream"))
	c.Cache.Check(r.At("cache"))
	c.checkPools(r)
	c.checkRoutes(r)
}

func (c *ServerConfig) check(r *conf.Report) {
	c.Config.Check(r)
	c.checkListeners(r)
	if c.TLS != nil {
		c.TLS.Check(r.At("tls"))
	}
	if !oip.ValidPathPrefix(c.PathPrefix) {
		r.Errorf("path_prefix", "%q is no prefix of a path: accepts \"\", or \"/serving\" with more parts if need be, of letters, "+
			"digits, _ . and -", c.PathPrefix)
	}
	if c.DrainDelay < 0 || c.DrainDelay > 5*time.Minute {
		r.Errorf("drain_delay", "%s is out of range: accepts 0s to 5m", c.DrainDelay)
	}
}

// checkListeners wants addresses that can be listened on, all at the same time.
func (c *ServerConfig) checkListeners(r *conf.Report) {
	type listener struct{ key, addr, host, port string }
	var seen []listener
	for _, l := range []listener{{key: "http", addr: c.HTTP}, {key: "grpc", addr: c.GRPC}, {key: "admin", addr: c.Admin}} {
		if l.addr == "" {
			if l.key == "http" {
				r.Errorf("http", "is empty: clients need an address, such as \":8080\"")
			}
			continue
		}
		var ok bool
		if l.host, l.port, ok = splitListen(l.addr); !ok {
			r.Errorf(l.key, "%q is no address to listen on: accepts \":8080\" or \"127.0.0.1:8080\"", l.addr)
			continue
		}
		for _, other := range seen {
			if l.port == other.port && l.port != "0" && hostsOverlap(l.host, other.host) {
				r.Errorf(l.key, "%q clashes with %s = %q; give each its own port", l.addr, other.key, other.addr)
			}
		}
		seen = append(seen, l)
	}
}

// splitListen takes a listen address apart; ports are numbers, since names of services depend on the machine.
func splitListen(addr string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", false
	}
	return host, port, true
}

// hostsOverlap reports whether listening on one host takes the port on the other too.
func hostsOverlap(a, b string) bool {
	return everyHost(a) || everyHost(b) || strings.EqualFold(a, b)
}

func everyHost(h string) bool {
	ip := net.ParseIP(h)
	return h == "" || (ip != nil && ip.IsUnspecified())
}

func (c *LogConfig) check(r *conf.Report) {
	oneOf(r, "level", c.Level, "debug", "info", "warn", "error")
	oneOf(r, "format", c.Format, "text", "json")
	c.checkAccess(r)
}

// checkAccess takes any path, but not a slip that would become a file in whatever directory the gateway is started in.
func (c *LogConfig) checkAccess(r *conf.Report) {
	words := []string{"stdout", "stderr", "off"}
	switch {
	case c.Access == "":
		r.Errorf("access", "is empty: accepts \"stdout\", \"stderr\", \"off\" or the path of a file")
	case slices.Contains(words, c.Access), strings.ContainsAny(c.Access, "/."):
	default:
		if s := conf.Suggest(c.Access, words); s != "" {
			r.Errorf("access", "%q is not known; did you mean %q? A file of that name is \"./%s\"", c.Access, s, c.Access)
		}
	}
}

func oneOf(r *conf.Report, key, got string, accepted ...string) {
	if slices.Contains(accepted, got) {
		return
	}
	hint := ""
	if s := conf.Suggest(got, accepted); s != "" {
		hint = "; did you mean " + strconv.Quote(s) + "?"
	}
	r.Errorf(key, "%q is not known: accepts %s%s", got, strings.Join(accepted, ", "), hint)
}

func (c *UpstreamConfig) check(r *conf.Report) {
	if c.MaxConnections < 1 || c.MaxConnections > 1<<16 {
		r.Errorf("max_connections", "%d is out of range: accepts 1 to 65536", c.MaxConnections)
	}
	atMost(r, "connect_timeout", c.ConnectTimeout, time.Minute)
	atMost(r, "idle_timeout", c.IdleTimeout, maxTimeout)
	if c.MaxAnswer < conf.KiB || c.MaxAnswer > 2*conf.GiB {
		r.Errorf("max_answer", "%s is out of range: accepts 1KiB to 2GiB", c.MaxAnswer)
	}
	if c.MaxAnswerMemory < 2*c.MaxAnswer {
		r.Errorf("max_answer_memory", "%s is less than twice max_answer (%s): a large answer is in memory twice while it is put together",
			c.MaxAnswerMemory, c.MaxAnswer)
	}
}

// atMost wants a duration of a millisecond to the given limit: 0 would be no time at all, and none is written by accident.
func atMost(r *conf.Report, key string, d, limit time.Duration) {
	if d < time.Millisecond || d > limit {
		r.Errorf(key, "%s is out of range: accepts 1ms to %s", d, short(limit))
	}
}

// short writes a round duration as one writes it in the file: "1h", not "1h0m0s".
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func (c *Config) checkPools(r *conf.Report) {
	if len(c.Pools) == 0 {
		r.Errorf("pools", "is missing: name at least one pool of nodes, such as [pools.main] with nodes = [{ address = \"10.0.0.1:9000\" }]")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Pools)) {
		at := r.At("pools." + conf.Quote(name))
		if !validName(name) {
			at.Errorf("", "%q is no pool name: accepts 1 to 64 of A-Z a-z 0-9 _ . -", name)
		}
		pool := c.Pools[name]
		pool.NodesLater = pool.Discover != nil
		pool.Check(at)
		if pool.Discover != nil {
			pool.checkDiscover(at.At("discover"))
		}
		if pool.TLS != nil {
			pool.TLS.Check(at.At("tls"))
		}
		for i, n := range pool.Nodes {
			if c.Server.listensOn(n.Address) {
				at.Errorf("nodes["+strconv.Itoa(i)+"].address", "%q is this gateway's own address (server.http); a node is a backend", n.Address)
			}
		}
		if !c.dangling() && !c.poolUsed(name) { // a route that meant it may have misspelt it
			at.Warnf("", "no route uses this pool")
		}
	}
}

// checkDiscover judges where a pool's nodes come from. It asks nobody: a file must be good or bad wherever it is checked.
func (c *PoolConfig) checkDiscover(r *conf.Report) {
	c.Discover.Check(r)
	if c.TLS != nil && c.TLS.Enabled && c.TLS.ServerName == "" && (c.Discover.DNS != "" || c.Discover.SRV != "") {
		r.Warnf("", "nodes from DNS are connected to by their addresses: their certificates have to name those, unless tls.server_name says what they name")
	}
}

// listensOn reports whether a call to addr would come back to this gateway, as far as the file can tell.
func (c *ServerConfig) listensOn(addr string) bool {
	host, port, ok := splitListen(c.HTTP)
	nodeHost, nodePort, err := net.SplitHostPort(addr)
	if !ok || err != nil || port != nodePort {
		return false
	}
	ip := net.ParseIP(nodeHost)
	loopback := nodeHost == "localhost" || (ip != nil && ip.IsLoopback())
	return strings.EqualFold(host, nodeHost) || (loopback && everyHost(host))
}

func (c *Config) poolUsed(name string) bool { return slices.Contains(c.poolsNamed(), name) }

// dangling reports whether a route names a pool that is not there.
func (c *Config) dangling() bool {
	return slices.ContainsFunc(c.poolsNamed(), func(name string) bool { _, ok := c.Pools[name]; return !ok })
}

// poolsNamed are the pools that routes refer to.
func (c *Config) poolsNamed() (names []string) {
	for _, rt := range c.Routes {
		names = append(names, rt.Pool)
		if rt.Canary != nil && rt.Canary.Pool != "" {
			names = append(names, rt.Canary.Pool)
		}
		if rt.Shadow != nil && rt.Shadow.Pool != "" {
			names = append(names, rt.Shadow.Pool)
		}
	}
	return names
}

// validName is the pattern of model names, which names of pools share: they become labels, file names and log words.
func validName(s string) bool {
	if len(s) < 1 || len(s) > 64 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
