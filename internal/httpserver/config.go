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
	ReadTimeout    time.Duration `toml:"read_timeout"`    // for the headers, and again for each MiB of a body
	WriteTimeout   time.Duration `toml:"write_timeout"`   // for a response, from the handler's return on
	IdleTimeout    time.Duration `toml:"idle_timeout"`    // between two requests of one connection
	DrainTimeout   time.Duration `toml:"drain_timeout"`   // for exchanges in flight at shutdown
}

// SetDefaults fills every field with its default.
func (c *Config) SetDefaults() {
	*c = Config{
		MaxBody:       64 * conf.MiB,    // a batch of 100 ImageNet images as FP32 tensors, binary
		MaxBodyMemory: 512 * conf.MiB,   // eight of the largest bodies; a small host can give this much
		MaxHeader:     16 * conf.KiB,    // two JWTs of 8 KiB less what goes with them; also held by each open connection
		ReadTimeout:   10 * time.Second, // slow attackers are gone in 10 s; 1 MiB in 10 s is a slow mobile uplink
		WriteTimeout:  30 * time.Second, // 64 MiB at 17 Mbit/s
		IdleTimeout:   75 * time.Second, // longer than the 60 s of common load balancers, so that they close first
		DrainTimeout:  20 * time.Second, // less than the 30 s Kubernetes waits before it kills
	}
}

// Check reports values that cannot work.
func (c *Config) Check(r *conf.Report) {
	size := func(key string, v, least, most conf.Size) {
		if v < least || v > most {
			r.Errorf(key, "%s is out of range: accepts %s to %s", v, least, most)
		}
	}
	duration := func(key string, v, least, most time.Duration) {
		if v < least || v > most {
			r.Errorf(key, "%s is out of range: accepts %s to %s", v, least, most)
		}
	}
	size("max_body", c.MaxBody, conf.KiB, 2*conf.GiB)
	size("max_header", c.MaxHeader, 4*conf.KiB, conf.MiB)
	if c.MaxBodyMemory < 2*c.MaxBody {
		r.Errorf("max_body_memory", "%s is less than twice max_body (%s): a body that outgrows its buffer is in memory twice for a moment",
			c.MaxBodyMemory, c.MaxBody)
	}
	if c.MaxConnections < 0 {
		r.Errorf("max_connections", "%d is negative: accepts 1 or more, or 0 for half of the descriptor limit", c.MaxConnections)
	}
	duration("read_timeout", c.ReadTimeout, 100*time.Millisecond, time.Hour)
	duration("write_timeout", c.WriteTimeout, 100*time.Millisecond, time.Hour)
	duration("idle_timeout", c.IdleTimeout, 100*time.Millisecond, time.Hour)
	duration("drain_timeout", c.DrainTimeout, 0, time.Hour)
}
