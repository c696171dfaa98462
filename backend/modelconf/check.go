package modelconf

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// Bounds of what a file may ask for: above anything of use, and small enough that a slip of the keyboard does no harm.
const (
	mostInstances = 256
	mostThreads   = 256
	longestDelay  = time.Minute
	longestQueue  = time.Hour // no client waits longer
	mostVersions  = 1 << 20
	mostRows      = 1 << 20
	mostWarmUps   = 100     // different ones
	mostRuns      = 1000    // of each
	longestRagged = 1 << 20 // a bucket for each power of two, with the default waste
	mostWaste     = 0.9     // ten times the work
)

// report is where problems go: conf's own for TOML, a map of places for Triton's configuration.
type report interface {
	Errorf(key, format string, args ...any)
	Warnf(key, format string, args ...any)
}

// Check reports what is wrong whatever the model is.
func (c *Config) Check(r *conf.Report) {
	c.line = r.Line
	c.check(r)
}

// Where says which line of which file has a key of Config, for messages: "config.toml:12".
func (c *Config) Where(key string) string {
	if c.line == nil || c.line(key) == 0 {
		return c.Source
	}
	return fmt.Sprintf("%s:%d", c.Source, c.line(key))
}

func (c *Config) check(r report) {
	c.checkQueue(r)
	c.checkVersions(r)
	c.checkFiles(r)
	c.checkInstances(r)
	c.Engine.check(r)
	if len(c.WarmUp) > mostWarmUps {
		r.Errorf("warm_up", "%d requests are more than %d", len(c.WarmUp), mostWarmUps)
	}
	for i := range c.WarmUp {
		c.WarmUp[i].check(r, element("warm_up", i))
	}
	for i := range c.Ragged {
		c.Ragged[i].check(r, element("ragged", i))
	}
}

func element(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]." }

func within(r report, key string, value, least, most int) {
	if value < least || value > most {
		r.Errorf(key, "%d is not between %d and %d", value, least, most)
	}
}

// checkQueue judges how requests wait and are put together.
func (c *Config) checkQueue(r report) {
	if c.MaxBatchSize != FindOut {
		within(r, "max_batch_size", c.MaxBatchSize, 0, mostRows)
	}
	if c.MaxQueueDelay < 0 || c.MaxQueueDelay > longestDelay {
		r.Errorf("max_queue_delay", "%s is not between 0s and %s", c.MaxQueueDelay, longestDelay)
	}
	for _, size := range c.PreferredBatchSizes {
		within(r, "preferred_batch_sizes", size, 1, mostRows)
	}
	if len(c.PreferredBatchSizes) > 0 && c.MaxQueueDelay == 0 {
		r.Warnf("preferred_batch_sizes", "changes nothing without a max_queue_delay: nothing is held back")
	}
	within(r, "max_queue_requests", c.MaxQueueRequests, 1, 1<<24)
	if c.MaxQueueBytes < 1 {
		r.Errorf("max_queue_bytes", "%s is no room for anything", c.MaxQueueBytes)
	}
	if c.QueueTimeout < 0 || c.QueueTimeout > longestQueue {
		r.Errorf("queue_timeout", "%s is not between 0s, which is none, and %s", c.QueueTimeout, longestQueue)
	}
	within(r, "priority_levels", c.PriorityLevels, 1, 16) // scheduler's bound
	within(r, "default_priority", c.DefaultPriority, 0, max(c.PriorityLevels, 1))
}

// aliasRule keeps aliases apart from version numbers.
var aliasRule = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (c *Config) checkVersions(r report) {
	v := &c.Versions
	within(r, "versions.latest", v.Latest, 0, mostVersions)
	for _, number := range v.Only {
		if number < 1 {
			r.Errorf("versions.only", "%d is no version: they are numbered from 1", number)
		}
	}
	said := 0
	for _, one := range []bool{v.All, v.Latest != 0, len(v.Only) > 0} {
		if one {
			said++
		}
	}
	if said > 1 {
		r.Errorf("versions", "all, latest and only exclude each other: want one of them")
	}
	for _, alias := range slices.Sorted(maps.Keys(c.Aliases)) {
		key := "aliases." + conf.Quote(alias)
		if alias == "latest" {
			r.Errorf(key, "is the highest version that is ready, in every model: want another name")
		}
		if !aliasRule.MatchString(alias) {
			r.Errorf(key, "%q is no alias: want a small letter, then up to 31 of a-z 0-9 _ -", alias)
		}
		if n, err := strconv.ParseInt(c.Aliases[alias], 10, 64); err != nil || n < 1 || strconv.FormatInt(n, 10) != c.Aliases[alias] {
			r.Errorf(key, "%q is no version number: want one such as \"3\"", c.Aliases[alias])
		}
	}
}

// plainName reports whether a name from a file names something in a folder, and not elsewhere.
func plainName(name string) bool {
	return name != "" && name != "." && filepath.IsLocal(name) && !strings.ContainsAny(name, `/\`)
}

func (c *Config) checkFiles(r report) {
	if !plainName(c.ModelFile) {
		r.Errorf("model_file", "%q is not the name of a file in the version's folder", c.ModelFile)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		in := c.Inputs[name]
		in.Tensor.check(r, "inputs."+conf.Quote(name))
		if in.Text && (in.Shape != nil || in.Datatype != "" || in.Optional) {
			r.Errorf("inputs."+conf.Quote(name)+".text", "what takes text has no shape, datatype or default of its own")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		out := c.Outputs[name]
		out.Tensor.check(r, "outputs."+conf.Quote(name))
		if labels := c.Outputs[name].Labels; labels != "" && !plainName(labels) {
			r.Errorf("outputs."+conf.Quote(name)+".labels", "%q is not the name of a file in the model's folder", labels)
		}
	}
}

// check judges a shape, and what it is reshaped to.
func (t *Tensor) check(r report, key string) {
	if _, ok := oip.ParseDatatype(t.Datatype); t.Datatype != "" && !ok {
		r.Errorf(key+".datatype", "unknown datatype %q: want one such as \"FP32\"", t.Datatype)
	}
	for _, shape := range [][]int64{t.Shape, t.Reshape} {
		for _, size := range shape {
			if size < -1 || size > math.MaxInt32 {
				r.Errorf(key+".shape", "%d is no size: want 0 or more, or -1 for any", size)
				return
			}
		}
	}
	switch {
	case t.Reshape == nil:
	case t.Shape == nil:
		r.Errorf(key+".reshape", "needs a shape that it is made of")
	case !sameElements(t.Shape, t.Reshape):
		r.Errorf(key+".reshape", "%d is made of %d, and does not have as many elements", t.Reshape, t.Shape)
	}
}

// sameElements reports whether two shapes surely hold as many elements: the sizes that vary have to be in the same order,
// with as many elements between them. Of more elements than any request has it is not sure.
func sameElements(a, b []int64) bool {
	segments := func(shape []int64) (products []int64) {
		product := int64(1)
		for _, size := range shape {
			if size < 0 {
				products, product = append(products, product), 1
			} else if product *= size; product > math.MaxInt32 {
				return nil
			}
		}
		return append(products, product)
	}
	of := segments(a)
	return of != nil && slices.Equal(of, segments(b))
}

// deviceRule is what the engine takes; its bound of a thousand devices is the engine's own.
var deviceRule = regexp.MustCompile(`^(cpu|(cuda|tensorrt)(:(0|[1-9][0-9]{0,2}))?)?$`)

func (c *Config) checkInstances(r report) {
	in := &c.Instances
	within(r, "instances.count", in.Count, 0, mostInstances)
	within(r, "instances.threads", in.Threads, 1, mostThreads)
	checkDevice(r, "instances.device", in.Device)
	if len(in.On) > 0 && (in.Count != 0 || in.Device != "") {
		r.Errorf("instances.on", "says where instances are, and so do count and device: want one of the two ways")
	}
	seen := map[string]bool{}
	total := 0
	for i, p := range in.On {
		key := element("instances.on", i)
		within(r, key+"count", p.Count, 0, mostInstances)
		checkDevice(r, key+"device", p.Device)
		if seen[p.Device] {
			r.Errorf(key+"device", "%q is there already", p.Device)
		}
		seen[p.Device] = true
		total += max(p.Count, 0)
	}
	if total > mostInstances {
		r.Errorf("instances.on", "%d instances together are more than %d", total, mostInstances)
	}
}

func checkDevice(r report, key, device string) {
	if !deviceRule.MatchString(device) {
		r.Errorf(key, `unknown device %q: want "cpu", "cuda:N" or "tensorrt:N", such as "cuda:0"`, device)
	}
}

func (e *Engine) check(r report) {
	oneOf(r, "engine.optimization", e.Optimization, "none", "basic", "extended", "all")
	oneOf(r, "engine.cuda.arena", e.CUDA.Arena, "power_of_two", "as_requested")
	oneOf(r, "engine.cuda.conv_search", e.CUDA.ConvSearch, "exhaustive", "heuristic", "default")
	if cache := e.TensorRT.EngineCache; cache != "" && !filepath.IsAbs(cache) {
		r.Errorf("engine.tensorrt.engine_cache", "%q is no absolute path", cache)
	}
}

// oneOf accepts the values listed, and "" for the default.
func oneOf(r report, key, value string, accepted ...string) {
	if value != "" && !slices.Contains(accepted, value) {
		r.Errorf(key, "unknown word %q: want one of %s", value, strings.Join(accepted, ", "))
	}
}

func (w *WarmUp) check(r report, key string) {
	within(r, key+"count", w.Count, 0, mostRuns)
	if w.Rows < 0 || w.Rows > mostRows {
		r.Errorf(key+"rows", "%d is not between 0 and %d", w.Rows, mostRows)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Inputs)) {
		in, at := w.Inputs[name], key+"inputs."+conf.Quote(name)
		for _, size := range in.Shape {
			if size < 0 {
				r.Errorf(at+".shape", "%d is no size: a request names all of its own", in.Shape)
				break
			}
		}
		if in.Data != "" && in.Data != "zero" && in.Data != "random" && !plainName(in.Data) {
			r.Errorf(at+".data", `%q is neither "zero" nor "random" nor the name of a file in the model's warmup folder`, in.Data)
		}
	}
}

func (c *Ragged) check(r report, key string) {
	if len(c.Inputs) == 0 {
		r.Errorf(key+"inputs", "a ragged dimension needs at least one input that has it")
	}
	if c.Longest < 1 || c.Longest > longestRagged {
		r.Errorf(key+"longest", "%d is not between 1 and %d", c.Longest, longestRagged)
	}
	if !(c.MaxWaste >= 0 && c.MaxWaste <= mostWaste) {
		r.Errorf(key+"max_waste", "%v is not between 0 and %v", c.MaxWaste, mostWaste)
	}
}
