package balancer

import (
	"time"

	"ganglion/internal/conf"
)

// Config is one [pools.<name>] table of gateway.toml.
type Config struct {
	Policy  string        `toml:"policy"`
	Nodes   []NodeConfig  `toml:"nodes"`
	Health  HealthConfig  `toml:"health"`
	Breaker BreakerConfig `toml:"breaker"`
	Retry   RetryConfig   `toml:"retry"`
	Hedge   *HedgeConfig  `toml:"hedge"`
}

// NodeConfig is one entry of nodes.
type NodeConfig struct {
	Address string `toml:"address"`
	Weight  int    `toml:"weight"`
}

// HealthConfig is the health table of a pool.
type HealthConfig struct {
	Interval      time.Duration `toml:"interval"`
	DoubtInterval time.Duration `toml:"doubt_interval"`
	Timeout       time.Duration `toml:"timeout"`
	Rise          int           `toml:"rise"`
	Fall          int           `toml:"fall"`
	Jitter        float64       `toml:"jitter"`
}

// BreakerConfig is the breaker table of a pool.
type BreakerConfig struct {
	ConsecutiveFailures int           `toml:"consecutive_failures"`
	FailurePercent      float64       `toml:"failure_percent"`
	MinRequests         int           `toml:"min_requests"`
	Window              time.Duration `toml:"window"`
	OpenTime            time.Duration `toml:"open_time"`
}

// RetryConfig is the retry table of a pool.
type RetryConfig struct {
	Attempts      int     `toml:"attempts"`
	BudgetPercent float64 `toml:"budget_percent"`
	BudgetFloor   int     `toml:"budget_floor"`
	BudgetBurst   int     `toml:"budget_burst"`
}

// HedgeConfig is accepted and warned about.
type HedgeConfig struct{}

// SetDefaults fills in the defaults.
func (c *Config) SetDefaults() {}

// Check reports what is wrong.
func (c *Config) Check(r *conf.Report) {}
