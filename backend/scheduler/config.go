package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config says how a scheduler forms batches and what it refuses. The zero value of a field is its default.
type Config struct {
	// Model is the name that errors call the model by.
	Model string

	// MaxBatchSize is how many rows (sizes of dimension 0) one run takes. 0 is a model that does not batch: its requests
	// run one by one, and what their first dimension means is not asked.
	MaxBatchSize int

	// RunLarger lets a request of more rows than MaxBatchSize run by itself instead of refusing it: for when that size is what
	// somebody found to be enough, and nothing that the model could not exceed.
	RunLarger bool

	// MaxQueueDelay is how long an idle instance may be held back for a batch that could still grow; it is held only while
	// requests are missing that have been seen lately. 0 never holds one. That is right where more clients wait at a time than
	// two batches take. With fewer, the first to come back runs alone while the others gather, and it stays so: then a delay
	// of about a client's way back and forth gives full batches.
	MaxQueueDelay time.Duration

	// PreferredSizes are numbers of rows that are dispatched as soon as they are reached, and to which a larger batch is
	// cut while its delay is not over. Without a MaxQueueDelay there is nothing to cut short, and they change nothing.
	PreferredSizes []int

	// MaxQueueRequests and MaxQueueBytes bound what waits (not what runs), the latter in bytes of input data. 0 is
	// DefaultQueueRequests and DefaultQueueBytes.
	MaxQueueRequests int
	MaxQueueBytes    int64

	// PriorityLevels is how many levels Request.Priority has, 1 the highest; 0 and 1 mean that it is not looked at.
	// DefaultPriority is the level of requests that name none; 0 is the lowest. PriorityStep is what a level is worth: a
	// request goes ahead of those one level lower unless they have waited PriorityStep longer, so that nothing waits for
	// ever. 0 is DefaultPriorityStep.
	PriorityLevels  int
	DefaultPriority int
	PriorityStep    time.Duration

	// Ragged declares the dimensions in which requests may differ and still share a batch.
	Ragged []Ragged

	// Memory is where assembled inputs and the outputs of Results.Add live, nil for Go's heap.
	Memory Memory

	// Observer is told what happens, nil for nobody.
	Observer Observer
}

const (
	// DefaultQueueRequests is sixteen batches of 64: at the 5 to 50 ms that a batch of a model worth batching takes, up to a
	// second of work. What has to wait longer is better refused, so that its sender can ask another node.
	DefaultQueueRequests = 1024

	// DefaultQueueBytes lets each of DefaultQueueRequests bring 256 KiB, an image of 256 by 256 pixels in FP32.
	DefaultQueueBytes = 256 << 20

	// DefaultPriorityStep keeps priorities strict as long as nothing waits for a second, which is as long as the default
	// queue is meant to be.
	DefaultPriorityStep = time.Second

	// maxPriorityLevels bounds what a lane keeps for each level. Nobody has been seen to use more than a handful.
	maxPriorityLevels = 16
)

// withDefaults returns c with the zero values filled in, or everything that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	refuse := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.MaxBatchSize < 0 {
		refuse("max batch size %d: must not be negative (0 for a model that does not batch)", c.MaxBatchSize)
	}
	if c.MaxQueueDelay < 0 {
		refuse("max queue delay %v: must not be negative", c.MaxQueueDelay)
	}
	for _, size := range c.PreferredSizes {
		if size < 1 || size > c.MaxBatchSize {
			refuse("preferred size %d: must be between 1 and the max batch size %d", size, c.MaxBatchSize)
		}
	}
	if c.MaxQueueRequests < 0 || c.MaxQueueBytes < 0 {
		refuse("queue bounds of %d requests and %d bytes: must not be negative", c.MaxQueueRequests, c.MaxQueueBytes)
	}
	if c.PriorityLevels < 0 || c.PriorityLevels > maxPriorityLevels {
		refuse("%d priority levels: must be between 0 and %d", c.PriorityLevels, maxPriorityLevels)
	}
	if c.DefaultPriority < 0 || c.DefaultPriority > max(c.PriorityLevels, 1) {
		refuse("default priority %d: must be one of the %d levels, or 0 for the lowest", c.DefaultPriority, max(c.PriorityLevels, 1))
	}
	if c.PriorityStep < 0 {
		refuse("priority step %v: must not be negative", c.PriorityStep)
	}
	problems = append(problems, checkRagged(c.Ragged, c.MaxBatchSize)...)
	if len(problems) > 0 {
		return c, errors.Join(problems...)
	}
	return c.filled(), nil
}

func (c Config) filled() Config {
	orElse := func(value *int64, fallback int64) {
		if *value == 0 {
			*value = fallback
		}
	}
	requests, levels, priority := int64(c.MaxQueueRequests), int64(c.PriorityLevels), int64(c.DefaultPriority)
	orElse(&requests, DefaultQueueRequests)
	orElse(&levels, 1)
	orElse(&priority, levels)
	orElse(&c.MaxQueueBytes, DefaultQueueBytes)
	orElse((*int64)(&c.PriorityStep), int64(DefaultPriorityStep))
	c.MaxQueueRequests, c.PriorityLevels, c.DefaultPriority = int(requests), int(levels), int(priority)
	if c.MaxBatchSize <= 1 {
		c.MaxQueueDelay = 0 // nothing to wait for
	}
	if c.Memory == nil {
		c.Memory = heapMemory{}
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	c.PreferredSizes = slices.Sorted(slices.Values(c.PreferredSizes))
	c.Ragged = slices.Clone(c.Ragged)
	return c
}
