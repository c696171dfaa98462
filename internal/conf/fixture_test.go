package conf

import (
	"time"
)

// edge is a configuration of every shape that the package binds, small enough to keep in mind.
type edge struct {
	Server server           `toml:"server"`
	Pools  map[string]pool  `toml:"pools"`
	Routes map[string]route `toml:"routes"`
	Limits limits           `toml:"limits"`
	Notes  string           // untagged: not a key
}

type server struct {
	common
	HTTP  string `toml:"http"`
	Admin string `toml:"admin"`
}

type common struct {
	MaxBody Size          `toml:"max_body"`
	Timeout time.Duration `toml:"timeout"`
}

func (c *common) SetDefaults() { c.MaxBody, c.Timeout = 4*MiB, 30*time.Second }

type pool struct {
	Policy string  `toml:"policy"`
	Nodes  []node  `toml:"nodes"`
	Retry  retry   `toml:"retry"`
	Health *health `toml:"health"`
}

func (p *pool) SetDefaults() {
	p.Policy = "least_connections"
	p.Retry.Attempts = 3 // the pool has the last word over retry's own default
}

type node struct {
	Address string `toml:"address"`
	Weight  int    `toml:"weight"`
}

func (n *node) SetDefaults() { n.Weight = 1 }

type retry struct {
	Attempts int     `toml:"attempts"`
	Budget   float64 `toml:"budget"`
}

func (r *retry) SetDefaults() { r.Attempts, r.Budget = 2, 0.2 }

type health struct {
	Every time.Duration `toml:"every"`
}

func (h *health) SetDefaults() { h.Every = time.Second }

type route struct {
	Pool  string `toml:"pool"`
	Cache bool   `toml:"cache"`
}

type limits struct {
	Byte  uint8     `toml:"byte"`
	Short int16     `toml:"short"`
	Count uint64    `toml:"count"`
	Ratio float32   `toml:"ratio"`
	Sizes []Size    `toml:"sizes"`
	Names []string  `toml:"names"`
	Grid  [][]int64 `toml:"grid"`
}

func (e *edge) Check(r *Report) {
	for name, p := range e.Pools {
		at := r.At("pools").At(Quote(name))
		if len(p.Nodes) == 0 {
			at.Errorf("nodes", "a pool needs at least one node")
		}
		if p.Policy == "least_load" {
			at.Warnf("policy", "least_load is not built yet")
		}
		if p.Policy == "" {
			at.Errorf("policy", "must not be empty")
		}
	}
	for name, rt := range e.Routes {
		if _, ok := e.Pools[rt.Pool]; !ok {
			r.At("routes."+Quote(name)).Errorf("pool", "no pool is called %q", rt.Pool)
		}
	}
}
