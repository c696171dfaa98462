package balancer

import "time"

// QueueConfig says who may wait while every fit node is at its limit.
type QueueConfig struct {
	// Max is how many may wait at a time. 0 = nobody: who finds every node full is refused at once.
	Max int `toml:"max"`
	// Timeout is how long one may wait.
	Timeout time.Duration `toml:"timeout"`
}

// SetDefaults fills in what a queue is good for.
func (c *QueueConfig) SetDefaults() {
	// A bound for the memory of those who wait, beside server.max_body_memory for their bodies: a waiting exchange takes some
	// tens of kilobytes, a thousand of them less than the cache. Who would wait for too long is refused long before.
	c.Max = 1024
	// Long enough for a burst of as much as the pool does in a second, short enough that clients with a patience of a few
	// seconds, who do not tell, still want the answer.
	c.Timeout = time.Second
}

// maxWaiting bounds queue.max: more cannot be told from no bound.
const maxWaiting = 100_000

func (c *QueueConfig) check(fs *findings) {
	fs.whole("queue.max", c.Max, 0, maxWaiting)
	fs.duration("queue.timeout", c.Timeout)
}
