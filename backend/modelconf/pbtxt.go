package modelconf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
	"ganglion/internal/pbtxt"
)

// ReadPBTXT reads Triton's config.pbtxt for the model called model; name stands for the file in messages. The error is a
// conf.Problems.
func ReadPBTXT(name, model string, src []byte) (Config, error) {
	return readTriton(name, model, src, pbtxt.Decode)
}

// ReadJSON reads the same in JSON, as a load request may bring it.
func ReadJSON(model string, src []byte) (Config, error) {
	return readTriton("config", model, src, pbtxt.DecodeJSON)
}

func readTriton(name, model string, src []byte, decode func(string, []byte, any) (*pbtxt.Places, error)) (Config, error) {
	t := &translation{file: name, Config: Default()}
	t.Source = PBTXTFile
	if name == "config" {
		t.Source = name
	}
	var err error
	if t.places, err = decode(name, src, &t.from); err != nil {
		return t.Config, err
	}
	if n := max(len(t.from.Input), len(t.from.Output)); n > mostTensors {
		return t.Config, conf.Problems{{File: name, Msg: fmt.Sprintf("%d inputs or outputs: at most %d are read", n, mostTensors)}}
	}
	t.line = t.lineOf
	t.server(model)
	t.tensors()
	t.scheduling()
	t.versions()
	t.instances()
	t.optimization()
	t.parameters()
	t.warmups()
	t.check(t)
	for _, p := range t.warnings {
		t.Warnings = append(t.Warnings, p.String())
	}
	if len(t.problems) > 0 {
		byLine := func(a, b conf.Problem) int { return cmp.Compare(a.Line, b.Line) }
		slices.SortStableFunc(t.problems, byLine)
		return t.Config, t.problems
	}
	return t.Config, nil
}

// mostTensors bounds the work that a hostile file makes: finding where one of them stands looks at all of them.
const mostTensors = 1024

// mostProblems is how many of them anybody reads.
const mostProblems = 50

// translation makes a Config of Triton's configuration.
type translation struct {
	Config
	from   triton
	file   string
	places *pbtxt.Places

	problems, warnings conf.Problems
}

// origins are the fields that the keys of Config come from, where their names differ.
var origins = strings.NewReplacer(
	"model_file", "default_model_filename",
	"versions.only", "version_policy.specific.versions",
	"versions.latest", "version_policy.latest.num_versions",
	"versions", "version_policy",
	"max_queue_delay", "dynamic_batching.max_queue_delay_microseconds",
	"preferred_batch_sizes", "dynamic_batching.preferred_batch_size",
	"max_queue_requests", "dynamic_batching.default_queue_policy.max_queue_size",
	"queue_timeout", "dynamic_batching.default_queue_policy.default_timeout_microseconds",
	"priority_levels", "dynamic_batching.priority_levels",
	"default_priority", "dynamic_batching.default_priority_level",
	"instances.threads", `parameters["intra_op_thread_count"]`,
	"instances.on", "instance_group",
	"instances", "instance_group",
	"engine.optimization", "optimization.graph.level",
	"engine.cuda", "optimization.execution_accelerators",
	"engine.tensorrt", "optimization.execution_accelerators",
	"warm_up", "model_warmup",
)

// origin is the path of the field that a key of Config comes from.
func (t *translation) origin(key string) string {
	for _, kind := range []struct {
		prefix string
		of     []tensor
		path   string
	}{{"inputs.", t.from.Input, "input"}, {"outputs.", t.from.Output, "output"}} {
		rest, ok := strings.CutPrefix(key, kind.prefix)
		for i := 0; ok && i < len(kind.of); i++ {
			if behind, is := strings.CutPrefix(rest, conf.Quote(kind.of[i].Name)); is && (behind == "" || behind[0] == '.') {
				field := strings.NewReplacer(".datatype", ".data_type", ".shape", ".dims", ".labels", ".label_filename").Replace(behind)
				return fmt.Sprintf("%s[%d]%s", kind.path, i, field)
			}
		}
	}
	if key == "inputs" || key == "outputs" {
		return strings.TrimSuffix(key, "s")
	}
	if before, name, ok := strings.Cut(key, ".inputs."); ok && strings.HasPrefix(key, "warm_up[") {
		return origins.Replace(before) + ".inputs" + entryOf(name)
	}
	return origins.Replace(key)
}

// entryOf is the place of a map's entry, for a path that begins with its name as conf.Quote has it.
func entryOf(path string) string {
	if quoted, err := strconv.QuotedPrefix(path); err == nil {
		return "[" + quoted + "]" + path[len(quoted):]
	}
	name, behind, more := strings.Cut(path, ".")
	if more {
		behind = "." + strings.Replace(behind, "shape", "dims", 1)
	}
	return "[" + strconv.Quote(name) + "]" + behind
}

func (t *translation) lineOf(key string) int { return t.places.Line(t.origin(key)) }

// Errorf reports a problem of a key of Config, or of a field.
func (t *translation) Errorf(key, format string, args ...any) {
	t.refuse(t.origin(key), format, args...)
}

// Warnf reports what the file says in vain.
func (t *translation) Warnf(key, format string, args ...any) {
	t.ignore(t.origin(key), format, args...)
}

// refuse reports a field, by its own path.
func (t *translation) refuse(path, format string, args ...any) {
	t.note(&t.problems, path, format, args)
}

// ignore reports a field that is left out.
func (t *translation) ignore(path, format string, args ...any) {
	t.note(&t.warnings, path, format, args)
}

func (t *translation) note(list *conf.Problems, path, format string, args []any) {
	if len(*list) < mostProblems {
		*list = append(*list, conf.Problem{File: t.file, Line: t.places.Line(path), Path: path, Msg: fmt.Sprintf(format, args...)})
	}
}

// server takes what says by whom and how a model is served.
func (t *translation) server(model string) {
	f := &t.from
	if f.Name != "" && f.Name != model {
		t.refuse("name", "%q is not the name of the model's folder, %q", f.Name, model)
	}
	if f.Platform != "" && f.Platform != "onnxruntime_onnx" {
		t.refuse("platform", `%q is not served here: want "onnxruntime_onnx"`, f.Platform)
	}
	if f.Backend != "" && f.Backend != "onnxruntime" {
		t.refuse("backend", `%q is not served here: want "onnxruntime"`, f.Backend)
	}
	if f.Runtime != "" {
		t.refuse("runtime", "%q: a backend's library cannot be chosen, the node has its own", f.Runtime)
	}
	if f.ModelFile != "" {
		t.ModelFile = f.ModelFile
	}
	if len(f.ModelFiles) > 0 {
		t.refuse("cc_model_filenames", "a model file for each kind of GPU is not supported: want default_model_filename")
	}
	if len(f.Operations.Libraries) > 0 {
		t.refuse("model_operations.op_library_filename", "libraries of custom operators are not loaded")
	}
	if f.Transactions.Decoupled {
		t.refuse("model_transaction_policy.decoupled", "an ONNX model gives one answer to a request: want false")
	}
	for _, one := range []struct {
		field *pbtxt.Any
		path  string
		why   string
	}{
		{&f.BatchInput, "batch_input", "ragged batches by extra inputs are not supported: config.toml has [[ragged]], which pads"},
		{&f.BatchOutput, "batch_output", "ragged batches by extra inputs are not supported: config.toml has [[ragged]], which pads"},
		{&f.Sequence, "sequence_batching", "requests that belong together and share state are not supported"},
		{&f.Ensemble, "ensemble_scheduling", "ensembles of models are not supported"},
		{&f.Agents, "model_repository_agents", "agents are not run"},
	} {
		if one.field.Set {
			t.refuse(one.path, "%s", one.why)
		}
	}
	if f.ResponseCache.Enable {
		t.ignore("response_cache", "is ignored: answers are cached in the gateway, which has a key for it")
	}
	if len(f.MetricTags) > 0 {
		t.ignore("metric_tags", "is ignored: metrics have the labels model and version")
	}
	if f.Metrics.Set {
		t.ignore("model_metrics", "is ignored: histograms have fixed buckets")
	}
}

// tensors takes the inputs and outputs.
func (t *translation) tensors() {
	f := &t.from
	t.Complete.Inputs, t.Complete.Outputs = len(f.Input) > 0, len(f.Output) > 0
	t.Inputs, t.Outputs = map[string]Input{}, map[string]Output{}
	for i := range f.Input {
		in, path := &f.Input[i], fmt.Sprintf("input[%d]", i)
		narrowed := t.tensor(in, path)
		if _, twice := t.Inputs[in.Name]; twice {
			t.refuse(path+".name", "%q is there twice", in.Name)
		}
		if in.AllowRagged {
			t.refuse(path+".allow_ragged_batch", "batches without padding are not supported: config.toml has [[ragged]], which pads")
		}
		if in.LabelFilename != "" {
			t.refuse(path+".label_filename", "labels belong to outputs")
		}
		t.Inputs[in.Name] = Input{Tensor: narrowed, Optional: in.Optional}
	}
	for i := range f.Output {
		out, path := &f.Output[i], fmt.Sprintf("output[%d]", i)
		narrowed := t.tensor(out, path)
		if _, twice := t.Outputs[out.Name]; twice {
			t.refuse(path+".name", "%q is there twice", out.Name)
		}
		if out.Optional || out.AllowRagged || out.Format != "" {
			t.refuse(path, "optional, allow_ragged_batch and format belong to inputs")
		}
		t.Outputs[out.Name] = Output{Tensor: narrowed, Labels: out.LabelFilename}
	}
}

// tensor takes what inputs and outputs have in common. format says what dims mean to people, and changes nothing.
func (t *translation) tensor(f *tensor, path string) Tensor {
	if f.Name == "" {
		t.refuse(path, "has no name")
	}
	if f.IsShapeTensor {
		t.refuse(path+".is_shape_tensor", "is for TensorRT models only")
	}
	if f.NonLinear {
		t.refuse(path+".is_non_linear_format_io", "is for TensorRT models only")
	}
	narrowed := Tensor{}
	if len(f.Dims) > 0 { // none is left to the model, in protobuf and in Triton
		narrowed.Shape = f.Dims
	}
	if f.DataType != "" && f.DataType != "TYPE_INVALID" {
		narrowed.Datatype = protocolName(f.DataType)
	}
	if f.Reshape != nil {
		narrowed.Reshape = append([]int64{}, f.Reshape.Shape...)
	}
	return narrowed
}

// protocolName is the datatype as the protocol spells it.
func protocolName(d dataType) string {
	if d == "TYPE_STRING" {
		return oip.Bytes.String()
	}
	return strings.TrimPrefix(string(d), "TYPE_")
}

// scheduling takes how requests wait and are batched.
func (t *translation) scheduling() {
	f := &t.from
	if t.places.Has("max_batch_size") {
		t.MaxBatchSize = int(f.MaxBatchSize)
	}
	b := f.DynamicBatching
	if b == nil {
		return
	}
	for _, size := range b.Preferred {
		t.PreferredBatchSizes = append(t.PreferredBatchSizes, int(size))
	}
	t.MaxQueueDelay = t.microseconds("dynamic_batching.max_queue_delay_microseconds", b.MaxQueueDelay)
	if b.PreserveOrdering {
		t.refuse("dynamic_batching.preserve_ordering", "answers are given as soon as they are there: want false")
	}
	if b.PriorityLevels > 0 {
		t.PriorityLevels = int(min(b.PriorityLevels, 1<<20)) // the check below refuses it
		t.DefaultPriority = int(min(b.DefaultPriority, 1<<20))
	} else if b.DefaultPriority > 0 {
		t.refuse("dynamic_batching.default_priority_level", "%d is none of 0 priority_levels", b.DefaultPriority)
	}
	policy := &b.DefaultQueuePolicy
	const at = "dynamic_batching.default_queue_policy"
	if policy.TimeoutAction == "DELAY" {
		t.refuse(at+".timeout_action", "DELAY: a request whose time is over is answered then: want REJECT")
	}
	t.QueueTimeout = t.microseconds(at+".default_timeout_microseconds", policy.DefaultTimeout)
	if policy.MaxQueueSize > 0 {
		t.MaxQueueRequests = int(min(policy.MaxQueueSize, 1<<30))
	}
	if len(b.PriorityPolicies) > 0 {
		t.refuse("dynamic_batching.priority_queue_policy", "a queue for each priority is not supported: all share the default_queue_policy")
	}
}

// microseconds converts a time, and refuses what no time.Duration holds.
func (t *translation) microseconds(path string, n uint64) time.Duration {
	if n > uint64(24*time.Hour/time.Microsecond) {
		t.refuse(path, "%d is more than a day", n)
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// versions takes the version policy; Triton's own is the latest version alone.
func (t *translation) versions() {
	p := t.from.VersionPolicy
	switch {
	case p == nil || p.Latest == nil && p.All == nil && p.Specific == nil:
		t.Versions.Latest = 1
		return
	case p.Latest != nil:
		t.Versions.Latest = int(min(max(p.Latest.NumVersions, 1), 1<<30))
	}
	t.Versions.All = p.All != nil
	if p.Specific != nil {
		t.Versions.Only = p.Specific.Versions
		if len(t.Versions.Only) == 0 {
			t.refuse("version_policy.specific", "names no version")
		}
	}
}
