// Package cache keeps answers.
package cache

import "ganglion/internal/conf"

// Config is the [cache] table of gateway.toml.
type Config struct {
	// MaxBytes bounds what the stored answers take, their bookkeeping
	// included. 0 turns the cache off.
	MaxBytes conf.Size `toml:"max_bytes"`
}

// SetDefaults fills in the default.
func (c *Config) SetDefaults() { c.MaxBytes = 256 * conf.MiB }

// Check reports what is wrong.
func (c *Config) Check(r *conf.Report) {}
