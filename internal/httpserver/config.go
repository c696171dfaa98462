package httpserver

import (
	"time"

	"ganglion/internal/conf"
)

// Config bounds what clients may ask of a server. The zero value is not usable: SetDefaults, then Check.
type Config struct {
	MaxBody        conf.Size     `toml:"max_body"`        // largest request body
	MaxBodyMemory  conf.Size     `toml:"max_body_memory"` // all request bodies in memory at once
	MaxHeader      conf.Size     `toml:"max_header"`      // request line and headers together
	MaxConnections int           `toml:"max_connections"` // open at once; 0 = what the descriptor limit allows
	ReadTimeout    time.Duration `toml:"read_timeout"`    // whole request, first byte to last
	WriteTimeout   time.Duration `toml:"write_timeout"`   // whole response
	IdleTimeout    time.Duration `toml:"idle_timeout"`    // between requests of one connection
	DrainTimeout   time.Duration `toml:"drain_timeout"`   // for exchanges in flight at shutdown
}

// SetDefaults fills every field with its default.
func (c *Config) SetDefaults() {}

// Check reports values that cannot work.
func (c *Config) Check(r *conf.Report) {}
