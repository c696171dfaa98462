package discovery

import (
	"net/netip"
	"strings"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/hostport"
)

// Config is a table that says where nodes come from. The sources that it names are put together.
type Config struct {
	// DNS is "host:port": each address of the host is a node on that port.
	DNS string `toml:"dns"`
	// SRV is the name of SRV records, "_service._proto.name": each target is a node.
	SRV string `toml:"srv"`
	// File is the path of a file with an address on each line.
	File string `toml:"file"`
	// Protocol is what nodes speak whose source does not say so: "http" or "grpc".
	Protocol string `toml:"protocol"`
	// Family says which addresses of a name are taken.
	Family Family `toml:"family"`
	// Servers are asked instead of the system's DNS servers: "ip" or "ip:port".
	Servers []string `toml:"servers"`
	// MinRefresh is the least time between two looks at a source, and the time between looks at a file.
	MinRefresh time.Duration `toml:"min_refresh"`
	// MaxRefresh is how long an answer of DNS is good for at most.
	MaxRefresh time.Duration `toml:"max_refresh"`
	// Linger is how long a node that is no longer listed keeps its connections, without new requests, in case it is listed
	// again.
	Linger time.Duration `toml:"linger"`
}

// SetDefaults implements conf.Defaulter.
func (c *Config) SetDefaults() {
	c.Protocol = "http"
	// A node with an address of either family is one node, and IPv4 is what there is in most clusters.
	c.Family = AutoFamily
	// One small question a second, for records that say they are good for less: unnoticed by any DNS server. As quick as a
	// file is to be heard of.
	c.MinRefresh = time.Second
	// Records that say a day were written by somebody who did not think of nodes that come and go. A question a minute is
	// answered by the next cache.
	c.MaxRefresh = time.Minute
	// Some answers at the most frequent pace: a record that flaps, or a server that names some of many addresses at random,
	// costs no connections.
	c.Linger = 10 * time.Second
}

// Bounds of what Check accepts.
const (
	minRefresh = 100 * time.Millisecond // ten questions a second is the quickest that anybody can want
	maxRefresh = 24 * time.Hour
	maxLinger  = time.Hour
	maxFixed   = 8 // DNS servers: each may cost its timeout, several times over
)

// Check reports everything that is wrong with the table. It asks nobody: see Lookup.
func (c *Config) Check(r *conf.Report) {
	if c.DNS == "" && c.SRV == "" && c.File == "" {
		r.Errorf("", "names no source: accepted are dns = \"nodes.internal:9000\", srv = \"_oip._tcp.nodes.internal\" and file = \"nodes.txt\"")
	}
	if c.DNS != "" {
		checkDNS(r, c.DNS)
	}
	if c.SRV != "" {
		checkSRV(r, c.SRV)
	}
	if c.Protocol != "http" && c.Protocol != "grpc" {
		r.Errorf("protocol", "%q is not known: accepted are \"http\" and \"grpc\"", c.Protocol)
	}
	switch c.Family {
	case AutoFamily, IPv4, IPv6, BothFamilies:
	default:
		r.Errorf("family", "%q is not known: accepted are \"auto\", \"ipv4\", \"ipv6\" and \"both\"", string(c.Family))
	}
	c.checkServers(r)
	c.checkTimes(r)
}

func checkDNS(r *conf.Report, text string) {
	host, _, err := hostport.Split(text)
	if err != nil {
		r.Errorf("dns", "%v", strings.Replace(err.Error(), "10.0.0.1:9000", "nodes.internal:9000", 1))
		return
	}
	if _, err := netip.ParseAddr(host); err == nil {
		r.Errorf("dns", "%q is an address, which needs no DNS: write it in nodes", text)
	} else if !hostport.IsName(host) {
		r.Errorf("dns", "%q has host %q: accepted is the name of a host", text, host)
	}
}

func checkSRV(r *conf.Report, text string) {
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	if len(labels) < 3 || !serviceLabel(labels[0]) || !serviceLabel(labels[1]) || !hostport.IsName(text) {
		r.Errorf("srv", "%q is no name of SRV records: accepted is \"_service._proto.name\", such as \"_oip._tcp.nodes.internal\"", text)
	}
}

func serviceLabel(s string) bool { return len(s) > 1 && s[0] == '_' }

func (c *Config) checkServers(r *conf.Report) {
	if len(c.Servers) > maxFixed {
		r.Errorf("servers", "has %d DNS servers: accepted are up to %d", len(c.Servers), maxFixed)
	}
	for _, s := range c.Servers {
		if _, ok := serverAddress(s); !ok {
			r.Errorf("servers", "%q is no DNS server: accepted are \"10.0.0.53\" and \"10.0.0.53:53\"", s)
		}
	}
	if len(c.Servers) > 0 && c.DNS == "" && c.SRV == "" {
		r.Warnf("servers", "nobody is asked: there is neither dns nor srv")
	}
}

func (c *Config) checkTimes(r *conf.Report) {
	within := func(key string, d, low, high time.Duration, accepted string) {
		if d < low || d > high {
			r.Errorf(key, "%s is out of range: accepts %s", d, accepted)
		}
	}
	within("min_refresh", c.MinRefresh, minRefresh, maxRefresh, "100ms to 24h")
	within("max_refresh", c.MaxRefresh, minRefresh, maxRefresh, "100ms to 24h")
	within("linger", c.Linger, 0, maxLinger, "0s to 1h")
	if c.MinRefresh > c.MaxRefresh && (c.DNS != "" || c.SRV != "") { // the most is for answers of DNS
		r.Errorf("min_refresh", "%s is more than max_refresh (%s)", c.MinRefresh, c.MaxRefresh)
	}
}

// resolver is whom a checked configuration asks.
func (c *Config) resolver() resolver {
	r := resolver{conf: systemConf, family: c.Family}
	for _, s := range c.Servers {
		address, _ := serverAddress(s)
		r.fixed = append(r.fixed, address)
	}
	return r
}

// sources are those of a checked configuration.
func (c *Config) sources() []source {
	protocol := c.Protocol
	if protocol == "http" {
		protocol = "" // the balancer's word for it
	}
	var list []source
	if c.DNS != "" {
		host, port, _ := hostport.Split(c.DNS)
		list = append(list, &hostSource{resolver: c.resolver(), name: host, port: port, text: c.DNS, protocol: protocol})
	}
	if c.SRV != "" {
		list = append(list, &srvSource{resolver: c.resolver(), name: c.SRV, protocol: protocol})
	}
	if c.File != "" {
		list = append(list, &fileSource{path: c.File, protocol: protocol, now: time.Now})
	}
	return list
}
