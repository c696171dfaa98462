package oip

import (
	"maps"
	"slices"
	"strconv"
)

// AppendModelConfig appends c as JSON, spelled as Triton spells it: fields in the order of its messages, numbers and flags
// printed even when they have their default.
func AppendModelConfig(dst []byte, c *ModelConfig) []byte {
	w := jsonWriter{buf: dst, first: true}
	w.object("", func() { w.modelConfig(c) })
	return w.buf
}

func (w *jsonWriter) modelConfig(c *ModelConfig) {
	w.text("name", c.Name)
	w.text("platform", c.Platform)
	w.text("backend", c.Backend)
	w.text("runtime", c.Runtime)
	if c.VersionPolicy != nil {
		w.object("version_policy", func() { w.versionPolicy(c.VersionPolicy) })
	}
	w.number("max_batch_size", int64(c.MaxBatchSize))
	w.list("input", func() {
		for i := range c.Inputs {
			w.object("", func() { w.configInput(&c.Inputs[i]) })
		}
	})
	w.list("output", func() {
		for i := range c.Outputs {
			w.object("", func() { w.configOutput(&c.Outputs[i]) })
		}
	})
	w.list("batch_input", func() {})
	w.list("batch_output", func() {})
	if c.Optimization != nil {
		w.object("optimization", func() { w.optimization(c.Optimization) })
	}
	if c.DynamicBatching != nil {
		w.object("dynamic_batching", func() { w.dynamicBatching(c.DynamicBatching) })
	}
	w.list("instance_group", func() {
		for i := range c.InstanceGroups {
			w.object("", func() { w.instanceGroup(&c.InstanceGroups[i]) })
		}
	})
	w.text("default_model_filename", c.DefaultModelFilename)
	w.object("cc_model_filenames", func() {})
	w.textMap("metric_tags", c.MetricTags)
	w.object("parameters", func() {
		for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
			w.object(name, func() { w.text("string_value", c.Parameters[name]) })
		}
	})
	w.list("model_warmup", func() {
		for i := range c.Warmup {
			w.object("", func() { w.warmup(&c.Warmup[i]) })
		}
	})
	w.object("model_transaction_policy", func() { w.flag("decoupled", c.Decoupled) })
	if c.ResponseCache != nil {
		w.object("response_cache", func() { w.flag("enable", *c.ResponseCache) })
	}
}

func (w *jsonWriter) versionPolicy(p *VersionPolicy) {
	switch {
	case p.All:
		w.object("all", func() {})
	case p.Specific != nil:
		w.object("specific", func() { numbers(w, "versions", p.Specific) })
	default:
		w.object("latest", func() { w.count("num_versions", uint64(p.Latest)) })
	}
}

func (w *jsonWriter) configInput(in *ConfigInput) {
	w.text("name", in.Name)
	w.text("data_type", in.Datatype.ConfigName())
	w.word("format", in.Format, "FORMAT_NONE")
	numbers(w, "dims", in.Dims)
	w.reshape(in.Reshape)
	w.flag("is_shape_tensor", in.IsShapeTensor)
	w.flag("allow_ragged_batch", in.AllowRaggedBatch)
	w.flag("optional", in.Optional)
	w.flag("is_non_linear_format_io", false)
}

func (w *jsonWriter) configOutput(out *ConfigOutput) {
	w.text("name", out.Name)
	w.text("data_type", out.Datatype.ConfigName())
	numbers(w, "dims", out.Dims)
	w.reshape(out.Reshape)
	w.text("label_filename", out.LabelFilename)
	w.flag("is_shape_tensor", out.IsShapeTensor)
	w.flag("is_non_linear_format_io", false)
}

func (w *jsonWriter) reshape(shape []int64) {
	if shape != nil {
		w.object("reshape", func() { numbers(w, "shape", shape) })
	}
}

func (w *jsonWriter) optimization(o *ConfigOptimization) {
	if o.GraphLevel != nil {
		w.object("graph", func() { w.number("level", int64(*o.GraphLevel)) })
	}
	w.word("priority", o.Priority, "PRIORITY_DEFAULT")
	if o.GPUAccelerators != nil || o.CPUAccelerators != nil {
		w.object("execution_accelerators", func() {
			w.accelerators("gpu_execution_accelerator", o.GPUAccelerators)
			w.accelerators("cpu_execution_accelerator", o.CPUAccelerators)
		})
	}
	w.number("gather_kernel_buffer_threshold", 0)
	w.flag("eager_batching", false)
}

func (w *jsonWriter) accelerators(name string, list []Accelerator) {
	w.list(name, func() {
		for _, a := range list {
			w.object("", func() {
				w.text("name", a.Name)
				w.textMap("parameters", a.Parameters)
			})
		}
	})
}

func (w *jsonWriter) dynamicBatching(b *DynamicBatching) {
	numbers(w, "preferred_batch_size", b.PreferredBatchSizes)
	w.count("max_queue_delay_microseconds", b.MaxQueueDelay)
	w.flag("preserve_ordering", b.PreserveOrdering)
	w.count("priority_levels", b.PriorityLevels)
	w.count("default_priority_level", b.DefaultPriorityLevel)
	if b.DefaultQueuePolicy != nil {
		w.object("default_queue_policy", func() { w.queuePolicy(*b.DefaultQueuePolicy) })
	}
	w.object("priority_queue_policy", func() {
		for _, level := range slices.Sorted(maps.Keys(b.PriorityQueuePolicy)) {
			w.object(strconv.FormatUint(level, 10), func() { w.queuePolicy(b.PriorityQueuePolicy[level]) })
		}
	})
}

func (w *jsonWriter) queuePolicy(p QueuePolicy) {
	w.word("timeout_action", p.TimeoutAction, "REJECT")
	w.count("default_timeout_microseconds", p.DefaultTimeout)
	w.flag("allow_timeout_override", p.AllowTimeoutOverride)
	w.count("max_queue_size", uint64(p.MaxQueueSize))
}

func (w *jsonWriter) instanceGroup(g *InstanceGroup) {
	w.text("name", g.Name)
	w.word("kind", g.Kind, "KIND_AUTO")
	w.number("count", int64(g.Count))
	numbers(w, "gpus", g.GPUs)
	w.list("secondary_devices", func() {})
	w.texts("profile", g.Profile)
	w.flag("passive", g.Passive)
	w.text("host_policy", g.HostPolicy)
}

func (w *jsonWriter) warmup(u *ConfigWarmup) {
	w.text("name", u.Name)
	w.count("batch_size", uint64(u.BatchSize))
	w.object("inputs", func() {
		for _, name := range slices.Sorted(maps.Keys(u.Inputs)) {
			w.object(name, func() { w.warmupInput(u.Inputs[name]) })
		}
	})
	w.count("count", uint64(u.Count))
}

func (w *jsonWriter) warmupInput(in WarmupInput) {
	w.text("data_type", in.Datatype.ConfigName())
	numbers(w, "dims", in.Dims)
	switch {
	case in.InputDataFile != "":
		w.text("input_data_file", in.InputDataFile)
	case in.RandomData:
		w.flag("random_data", true)
	case in.ZeroData:
		w.flag("zero_data", true)
	}
}
