package cache

import (
	"fmt"

	"ganglion/internal/conf"
)

// minBytes is the smallest cache that is one: below it the fixed part (see fixedCost) would be most of it.
const minBytes = conf.MiB

// maxBytes is when a size is a typing error: no machine has it, and sums of sizes below it cannot overflow.
const maxBytes = 1024 * conf.TiB

// Config is the [cache] table of gateway.toml.
type Config struct {
	// MaxBytes bounds the memory of the cache: stored answers with all their bookkeeping, and those waiting to be stored.
	// It is live memory: between two runs of the garbage collector the process holds what was dropped since as well.
	// 0 turns the cache off.
	MaxBytes conf.Size `toml:"max_bytes"`
}

// SetDefaults fills in what is used when the file does not say otherwise.
func (c *Config) SetDefaults() {
	// Only routes that ask for caching use any of it. A quarter GiB keeps a hundred thousand answers of 2 KiB and is
	// small on a host that is big enough to be an edge.
	c.MaxBytes = 256 * conf.MiB
}

// Check reports a size that makes no sense.
func (c *Config) Check(r *conf.Report) {
	if err := c.validate(); err != nil {
		r.Errorf("max_bytes", "%v", err)
	}
}

func (c *Config) validate() error {
	if c.MaxBytes != 0 && (c.MaxBytes < minBytes || c.MaxBytes > maxBytes) {
		return fmt.Errorf("%v is out of range: accepted are 0 (no cache) and %v to %v", c.MaxBytes, minBytes, maxBytes)
	}
	return nil
}
