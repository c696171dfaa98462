package gateway

import (
	"errors"
	"time"

	"ganglion/balancer"
	"ganglion/cache"
	"ganglion/internal/certs"
	"ganglion/internal/conf"
	"ganglion/internal/discovery"
	"ganglion/internal/httpserver"
)

// Config is gateway.toml. It is filled by [LoadConfig] and read-only from then on.
type Config struct {
	Server   ServerConfig           `toml:"server"`
	Log      LogConfig              `toml:"log"`
	Upstream UpstreamConfig         `toml:"upstream"`
	Cache    cache.Config           `toml:"cache"`
	Pools    map[string]PoolConfig  `toml:"pools"`
	Routes   map[string]RouteConfig `toml:"routes"`
}

// PoolConfig is one [pools.NAME]: what the balancer does with its nodes, and how they are connected to.
type PoolConfig struct {
	balancer.Config
	TLS *certs.ClientConfig `toml:"tls"` // nil = plain

	Discover *discovery.Config `toml:"discover"` // nil = the nodes are those of the file
}

// ServerConfig says where the gateway listens and what it asks of clients.
type ServerConfig struct {
	HTTP  string `toml:"http"`  // clients, REST
	GRPC  string `toml:"grpc"`  // clients, gRPC; "" turns it off
	Admin string `toml:"admin"` // /metrics, /healthz, /readyz, /status; "" turns it off

	// PathPrefix comes before the path of every REST call, for a gateway that shares its host with other things:
	// "/serving" puts the models at /serving/v2/models. "" = none.
	PathPrefix string `toml:"path_prefix"`

	// DrainDelay lies between /readyz failing and the listener closing, so that whoever sends traffic here has
	// noticed before connections are refused.
	DrainDelay time.Duration `toml:"drain_delay"`

	// TLS is for HTTP and GRPC; nil = plain. Admin is always plain.
	TLS *certs.ServerConfig `toml:"tls"`

	httpserver.Config
}

// SetDefaults implements conf.Defaulter.
func (c *ServerConfig) SetDefaults() {
	c.Config.SetDefaults()
	c.HTTP = ":8080"
	c.GRPC = ":8081"
	c.Admin = "127.0.0.1:8082"
	// Long enough for a local reader of /readyz, short enough for Ctrl-C. Behind a balancer that asks every few
	// seconds, set it to a little more than that.
	c.DrainDelay = 500 * time.Millisecond
}

// LogConfig says what is written where.
type LogConfig struct {
	Level  string `toml:"level"`  // debug, info, warn or error
	Format string `toml:"format"` // text or json; to stderr
	Access string `toml:"access"` // one JSON line per request: stdout, stderr, off, or the path of a file to append to
}

// SetDefaults implements conf.Defaulter.
func (c *LogConfig) SetDefaults() {
	c.Level = "info"
	c.Format = "text"
	c.Access = "stdout"
}

// UpstreamConfig bounds the connections to nodes.
type UpstreamConfig struct {
	MaxConnections int           `toml:"max_connections"` // per node, busy and idle
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	IdleTimeout    time.Duration `toml:"idle_timeout"` // keep it below the nodes' own
	MaxAnswer      conf.Size     `toml:"max_answer"`   // largest answer body of a node
	// MaxAnswerMemory bounds what all answers larger than 64 KiB take at once, from their first byte until the client has
	// the last.
	MaxAnswerMemory conf.Size `toml:"max_answer_memory"`
}

// SetDefaults implements conf.Defaulter.
func (c *UpstreamConfig) SetDefaults() {
	// A node that has 512 exchanges in flight is queueing by any measure; more sockets would only hide that.
	c.MaxConnections = 512
	// A node on the same network accepts within a millisecond; a lost SYN is sent again after one second.
	c.ConnectTimeout = time.Second
	// Below the five seconds after which servers built on uvicorn (MLServer, KServe's SDK) hang up.
	c.IdleTimeout = 4 * time.Second
	// As much as a request may bring by default: Triton's own limit for one request.
	c.MaxAnswer = 64 * conf.MiB
	// Eight of the largest, as for requests.
	c.MaxAnswerMemory = 512 * conf.MiB
}

// RouteConfig is what the file says about one model name.
type RouteConfig struct {
	Pool    string        `toml:"pool"`
	Version string        `toml:"version"` // "" leaves the choice to the client and the node
	Timeout time.Duration `toml:"timeout"` // whole exchange, all attempts
	Cache   RouteCache    `toml:"cache"`
	Canary  *CanaryConfig `toml:"canary"`
	Shadow  *ShadowConfig `toml:"shadow"`

	Priority PriorityConfig `toml:"priority"`
}

// SetDefaults implements conf.Defaulter.
func (c *RouteConfig) SetDefaults() {
	// Longer than any single inference that a client would wait for at a synchronous call.
	c.Timeout = 30 * time.Second
}

// RouteCache turns caching on for a route.
type RouteCache struct {
	TTL time.Duration `toml:"ttl"` // 0 = off
}

// PriorityConfig says which of those who wait for a full node go first. 1 is the first priority, 9 the last.
type PriorityConfig struct {
	// Default is that of requests which name none.
	Default int `toml:"default"`
	// Best is the best that a request gets, whatever it names.
	Best int `toml:"best"`
}

// SetDefaults has clients believed: most gateways serve those of one house, who know best what is urgent.
func (c *PriorityConfig) SetDefaults() {
	*c = PriorityConfig{Default: balancer.DefaultPriority, Best: balancer.FirstPriority}
}

// CanaryConfig sends part of a route's requests to another pool, another version, or both.
type CanaryConfig struct {
	Pool    string  `toml:"pool"`    // "" = the route's own
	Version string  `toml:"version"` // "" = the route's own
	Weight  float64 `toml:"weight"`  // percent, 0 to 100
	Header  string  `toml:"header"`  // a request header that forces the choice: "always" or "never"
}

// ShadowConfig gives a sampled copy of a route's requests to another pool or version, after the client was answered.
type ShadowConfig struct {
	Pool    string        `toml:"pool"`    // "" = the route's own
	Version string        `toml:"version"` // "" = the route's own
	Percent float64       `toml:"percent"` // of the answered inferences, 0 to 100
	Timeout time.Duration `toml:"timeout"` // of a copy
	Compare bool          `toml:"compare"` // not in this version yet
}

// SetDefaults implements conf.Defaulter.
func (c *ShadowConfig) SetDefaults() {
	c.Percent = 100
	// Nobody waits for a shadow; what takes longer than this only holds memory.
	c.Timeout = 10 * time.Second
}

// LoadConfig reads and checks the file at path. Warnings come with or without an error; the error is a [conf.Problems]
// when the file is at fault.
func LoadConfig(path string) (*Config, conf.Problems, error) {
	var cfg Config
	warnings, err := conf.Load(path, &cfg)
	if err != nil {
		return nil, warnings, err
	}
	return &cfg, warnings, nil
}

// LoadAdmin is the address of the admin port that the file at path names, "" if it turns it off. Other parts of the file may be
// at fault: it is while something is wrong that one asks a gateway how it is. The error is about the file as a whole or that key.
func LoadAdmin(path string) (string, error) {
	var cfg Config
	_, err := conf.Load(path, &cfg)
	problems, ok := errors.AsType[conf.Problems](err)
	if err != nil && !ok {
		return "", err
	}
	for _, p := range problems {
		switch p.Path {
		case "", "server", "server.admin":
			return "", conf.Problems{p}
		}
	}
	return cfg.Server.Admin, nil
}

// ParseConfig is LoadConfig for a file's contents; name stands for the file in messages.
func ParseConfig(name string, src []byte) (*Config, conf.Problems, error) {
	var cfg Config
	warnings, err := conf.Decode(name, src, &cfg)
	if err != nil {
		return nil, warnings, err
	}
	return &cfg, warnings, nil
}
