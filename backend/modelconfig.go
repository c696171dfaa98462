package backend

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ganglion/backend/scheduler"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// modelConfig is a model's config.toml. It holds for all versions of the model. docs/model-config.md describes the keys.
type modelConfig struct {
	Inputs map[string]inputConfig `toml:"inputs"`

	MaxBatchSize        int           `toml:"max_batch_size"` // findOut, if not set
	MaxQueueDelay       time.Duration `toml:"max_queue_delay"`
	PreferredBatchSizes []int         `toml:"preferred_batch_sizes"`
	MaxQueueRequests    int           `toml:"max_queue_requests"`
	MaxQueueBytes       conf.Size     `toml:"max_queue_bytes"`
	PriorityLevels      int           `toml:"priority_levels"`
	DefaultPriority     int           `toml:"default_priority"` // 0 is the lowest

	Instances instancesConfig `toml:"instances"`
	Ragged    []raggedConfig  `toml:"ragged"`
}

// inputConfig is [inputs.NAME].
type inputConfig struct {
	// Text makes an input of UINT8 [-1,-1] also take BYTES: one string a row, padded with zeros to the longest.
	Text bool `toml:"text"`
}

// findOut is a MaxBatchSize that no file can mean.
const findOut = math.MinInt

// instancesConfig is [instances].
type instancesConfig struct {
	Count   int `toml:"count"`   // 0 is as many as the node makes runs at once
	Threads int `toml:"threads"` // of each
}

// raggedConfig is one [[ragged]]: a dimension in which requests may differ and still share a batch.
type raggedConfig struct {
	Inputs   map[string]raggedInput `toml:"inputs"`
	Outputs  map[string]int         `toml:"outputs"` // name to axis
	Mask     string                 `toml:"mask"`
	Longest  int64                  `toml:"longest"`
	MaxWaste float64                `toml:"max_waste"`
}

// raggedInput is one of a raggedConfig's inputs.
type raggedInput struct {
	Axis  int     `toml:"axis"`
	Value float64 `toml:"value"` // to pad with
}

// Bounds of what a file may ask for: above anything of use, and small enough that a slip of the keyboard does no harm.
const (
	mostInstances = 256
	mostThreads   = 256
	longestDelay  = time.Minute
	longestRagged = 1 << 20 // a bucket for each power of two, with the default waste
	mostWaste     = 0.9     // ten times the work
)

// SetDefaults makes a configuration that leaves everything to be found out.
func (c *modelConfig) SetDefaults() {
	c.MaxBatchSize = findOut
	c.MaxQueueRequests = scheduler.DefaultQueueRequests
	c.MaxQueueBytes = scheduler.DefaultQueueBytes
	c.PriorityLevels = 1
	c.Instances.Threads = 1
}

// SetDefaults lets at most half of a padded tensor be padding: what that costs is less than what a batch gains, for the
// models that gain from batches at all.
func (c *raggedConfig) SetDefaults() { c.Longest, c.MaxWaste = 512, 0.5 }

// SetDefaults takes the first dimension behind the batch.
func (c *raggedInput) SetDefaults() { c.Axis = 1 }

// Check reports what is wrong whatever the model is.
func (c *modelConfig) Check(r *conf.Report) {
	within := func(key string, value, least, most int) {
		if value < least || value > most {
			r.Errorf(key, "%d is not between %d and %d", value, least, most)
		}
	}
	if c.MaxBatchSize != findOut {
		within("max_batch_size", c.MaxBatchSize, 0, 1<<20)
	}
	if c.MaxQueueDelay < 0 || c.MaxQueueDelay > longestDelay {
		r.Errorf("max_queue_delay", "%s is not between 0s and %s", c.MaxQueueDelay, longestDelay)
	}
	for _, size := range c.PreferredBatchSizes {
		within("preferred_batch_sizes", size, 1, 1<<20)
	}
	if len(c.PreferredBatchSizes) > 0 && c.MaxQueueDelay == 0 {
		r.Warnf("preferred_batch_sizes", "changes nothing without a max_queue_delay: nothing is held back")
	}
	within("max_queue_requests", c.MaxQueueRequests, 1, 1<<24)
	if c.MaxQueueBytes < 1 {
		r.Errorf("max_queue_bytes", "%s is no room for anything", c.MaxQueueBytes)
	}
	within("priority_levels", c.PriorityLevels, 1, 16) // scheduler's bound
	within("default_priority", c.DefaultPriority, 0, max(c.PriorityLevels, 1))
	within("instances.count", c.Instances.Count, 0, mostInstances)
	within("instances.threads", c.Instances.Threads, 1, mostThreads)
	for i := range c.Ragged {
		c.Ragged[i].check(r.At(fmt.Sprintf("ragged[%d]", i)))
	}
}

func (c *raggedConfig) check(r *conf.Report) {
	if len(c.Inputs) == 0 {
		r.Errorf("inputs", "a ragged dimension needs at least one input that has it")
	}
	if c.Longest < 1 || c.Longest > longestRagged {
		r.Errorf("longest", "%d is not between 1 and %d", c.Longest, longestRagged)
	}
	if !(c.MaxWaste >= 0 && c.MaxWaste <= mostWaste) {
		r.Errorf("max_waste", "%v is not between 0 and %v", c.MaxWaste, mostWaste)
	}
}

// config reads a model's config.toml; without the file it is empty.
func (r *repository) config(name string) (modelConfig, error) {
	var c modelConfig
	c.SetDefaults()
	relative := filepath.Join(name, configFile)
	if !exists(filepath.Join(r.root, relative)) {
		return c, nil
	}
	path, err := r.resolve(relative)
	if err != nil {
		return c, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("%s: %w", relative, bare(err))
	}
	warnings, err := conf.Decode(relative, src, &c)
	for _, w := range warnings {
		r.log.Warn("model configuration", "model", name, "problem", w)
	}
	return c, err
}

// options are what the file says to the engine.
func (c modelConfig) options() ModelOptions {
	return ModelOptions{Threads: c.Instances.Threads, Instances: []InstanceGroup{{Count: c.Instances.Count}}}
}

// textInputs says which inputs take text, parallel to inputs. A configuration that does not fit the model is an error.
func (c modelConfig) textInputs(inputs []oip.TensorMetadata) ([]bool, error) {
	text := make([]bool, len(inputs))
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		i := slices.IndexFunc(inputs, func(in oip.TensorMetadata) bool { return in.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s configures an input %q, but the model's inputs are %s", configFile, name, namesOf(inputs))
		}
		if in := inputs[i]; c.Inputs[name].Text {
			if in.Datatype != oip.Uint8 || len(in.Shape) != 2 || in.Shape[1] >= 0 {
				return nil, fmt.Errorf("%s sets text = true for input %q, which is %s %v: text needs UINT8 [-1 -1]", configFile, name, in.Datatype, in.Shape)
			}
			text[i] = true
		}
	}
	return text, nil
}

func namesOf(tensors []oip.TensorMetadata) string {
	names := make([]string, len(tensors))
	for i, t := range tensors {
		names[i] = t.Name
	}
	return fmt.Sprintf("%q", names)
}
