package modelconf

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"ganglion/internal/conf"
)

// instances takes the instance groups: what they say of devices.
func (t *translation) instances() {
	for i, g := range t.from.InstanceGroup {
		path := fmt.Sprintf("instance_group[%d]", i)
		t.refuseGroup(&g, path)
		for _, device := range t.devices(&g, path) {
			t.place(device, int(g.Count))
		}
	}
	// One group on one device is said in one way.
	if len(t.Instances.On) == 1 {
		t.Instances.Device, t.Instances.Count = t.Instances.On[0].Device, t.Instances.On[0].Count
		t.Instances.On = nil
	}
}

// refuseGroup names what of a group is not done.
func (t *translation) refuseGroup(g *instanceGroup, path string) {
	if g.Count < 0 {
		t.refuse(path+".count", "%d is less than 0", g.Count)
	}
	if g.Kind == "KIND_MODEL" {
		t.refuse(path+".kind", "KIND_MODEL: the node places its instances itself: want KIND_CPU, KIND_GPU or KIND_AUTO")
	}
	if g.Passive {
		t.refuse(path+".passive", "instances that take no requests are not supported")
	}
	if len(g.Profile) > 0 {
		t.refuse(path+".profile", "is for TensorRT models only")
	}
	if g.SecondaryDevices.Set {
		t.refuse(path+".secondary_devices", "is not supported")
	}
	if g.RateLimiter.Set {
		t.ignore(path+".rate_limiter", "is ignored: each instance makes one run at a time, and that is the only limit")
	}
	if g.HostPolicy != "" {
		t.ignore(path+".host_policy", "is ignored: run a node for each part of the host instead")
	}
}

// devices are those that a group has its count of instances on each of.
func (t *translation) devices(g *instanceGroup, path string) []string {
	switch {
	case g.Kind == "KIND_CPU" && len(g.GPUs) > 0:
		t.refuse(path+".gpus", "%d, of a group of KIND_CPU", g.GPUs)
	case g.Kind == "KIND_CPU":
		return []string{"cpu"}
	case len(g.GPUs) > 0:
		var devices []string
		for _, gpu := range g.GPUs {
			devices = append(devices, "cuda:"+strconv.Itoa(int(gpu)))
		}
		return devices
	case g.Kind == "KIND_GPU":
		return []string{"cuda"}
	}
	return []string{""}
}

// place adds instances on a device; several groups may be on one. A count of 0 leaves it to the engine.
func (t *translation) place(device string, count int) {
	for i := range t.Instances.On {
		if p := &t.Instances.On[i]; p.Device == device {
			p.Count = max(p.Count, 1) + max(count, 1)
			return
		}
	}
	t.Instances.On = append(t.Instances.On, Placement{device, count})
}

// optimization takes what is said of how the engine is to run the model.
func (t *translation) optimization() {
	o := &t.from.Optimization
	if o.Graph != nil {
		t.Engine.Optimization = t.graphLevel(o.Graph.Level)
	}
	if o.Priority != "" && o.Priority != "PRIORITY_DEFAULT" {
		t.ignore("optimization.priority", "is ignored: threads of all models have one priority")
	}
	if o.CUDA.Set {
		t.ignore("optimization.cuda", "is ignored: runs are not made into CUDA graphs")
	}
	if o.PinnedInput.Set || o.PinnedOutput.Set || o.Gather.Set || o.Eager.Set {
		t.ignore("optimization", "pinned memory, the gather kernel and eager batching are ignored: the node settles them itself")
	}
	for i, a := range o.Accelerators.CPU {
		t.refuse(fmt.Sprintf("optimization.execution_accelerators.cpu_execution_accelerator[%d].name", i),
			"%q is not supported: instances on a CPU run on ONNX Runtime's own provider", a.Name)
	}
	for i, a := range o.Accelerators.GPU {
		path := fmt.Sprintf("optimization.execution_accelerators.gpu_execution_accelerator[%d]", i)
		switch a.Name {
		case "tensorrt":
			t.useTensorRT(path)
			t.options(path+".parameters", a.Parameters, t.tensorRTOption)
		case "cuda":
			t.options(path+".parameters", a.Parameters, t.cudaOption)
		default:
			t.refuse(path+".name", `%q is not supported: want "tensorrt" or "cuda"`, a.Name)
		}
	}
}

// graphLevel is Triton's number for how far the engine rewrites the graph.
func (t *translation) graphLevel(level int32) string {
	switch level {
	case 0:
		return "" // the engine's default
	case 1:
		return "extended"
	case 2:
		return "all"
	case -1:
		return "basic"
	case -2:
		return "none"
	}
	t.refuse("optimization.graph.level", "%d is not between -2 and 2", level)
	return ""
}

// useTensorRT moves instances on GPUs from CUDA to TensorRT; those that may be on either stay where the node is.
func (t *translation) useTensorRT(path string) {
	in := &t.Instances
	moved := moveToTensorRT(&in.Device)
	for i := range in.On {
		moved = moveToTensorRT(&in.On[i].Device) || moved
	}
	if !moved {
		t.ignore(path, "is ignored: no instance_group of KIND_GPU asks for a GPU")
	}
}

func moveToTensorRT(device *string) bool {
	const cuda = "cuda"
	if len(*device) < len(cuda) || (*device)[:len(cuda)] != cuda {
		return false
	}
	*device = "tensorrt" + (*device)[len(cuda):]
	return true
}

// options hands over each option of a map to set, which says whether it knows it.
func (t *translation) options(path string, options map[string]string, set func(path, key, value string) bool) {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		at := path + "[" + strconv.Quote(key) + "]"
		if !set(at, key, options[key]) {
			t.ignore(at, "is ignored: the node does not know this option")
		}
	}
}

func (t *translation) tensorRTOption(path, key, value string) bool {
	rt := &t.Engine.TensorRT
	switch key {
	case "precision_mode":
		switch value {
		case "FP32":
		case "FP16":
			rt.FP16 = true
		default:
			t.refuse(path, `%q: want "FP32" or "FP16"`, value)
		}
	case "trt_fp16_enable":
		rt.FP16 = t.flag(path, value)
	case "max_workspace_size_bytes", "trt_max_workspace_size":
		rt.Workspace = t.bytes(path, value)
	case "trt_engine_cache_enable":
		if t.flag(path, value) && rt.EngineCache == "" {
			t.ignore(path, "is ignored without a trt_engine_cache_path, which has to be absolute")
		}
	case "trt_engine_cache_path":
		rt.EngineCache = value
	case "trt_int8_enable", "int8_calibration_table_name", "int8_use_native_calibration_table":
		t.refuse(path, "INT8 by calibration is not supported: quantize the model instead")
	default:
		return false
	}
	return true
}

// cudaOption knows the options of the CUDA provider, which may stand among the parameters of the model too.
func (t *translation) cudaOption(path, key, value string) bool {
	cuda := &t.Engine.CUDA
	switch key {
	case "gpu_mem_limit":
		cuda.MemoryLimit = t.bytes(path, value)
	case "arena_extend_strategy":
		cuda.Arena = t.word(path, value, map[string]string{
			"0": "power_of_two", "kNextPowerOfTwo": "power_of_two", "1": "as_requested", "kSameAsRequested": "as_requested",
		})
	case "cudnn_conv_algo_search":
		cuda.ConvSearch = t.word(path, value, map[string]string{
			"0": "exhaustive", "EXHAUSTIVE": "exhaustive", "1": "heuristic", "HEURISTIC": "heuristic", "2": "default", "DEFAULT": "default",
		})
	case "use_tf32":
		cuda.TF32 = t.flag(path, value)
	default:
		return false
	}
	return true
}

// parameters takes those that Triton's ONNX Runtime backend reads. Others are for other programs that read the file.
func (t *translation) parameters() {
	plain := make(map[string]string, len(t.from.Parameters))
	for key, p := range t.from.Parameters {
		plain[key] = p.StringValue
	}
	t.options("parameters", plain, func(path, key, value string) bool {
		switch key {
		case "intra_op_thread_count":
			// 0 is all cores there. Here it is one: requests are what runs side by side.
			t.Instances.Threads = max(t.number(path, value, mostThreads), 1)
		case "inter_op_thread_count", "execution_mode":
			if value != "0" && value != "1" || key == "execution_mode" && value != "0" {
				t.ignore(path, "is ignored: the operators of a run are run one after another")
			}
		case "enable_mem_arena", "enable_mem_pattern", "memory.enable_memory_arena_shrinkage":
			t.ignore(path, "is ignored: all models share one arena, which gives memory back by itself")
		default:
			return t.cudaOption(path, key, value)
		}
		return true
	})
}

// number reads a whole number of 0 to most.
func (t *translation) number(path, value string, most int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most {
		t.refuse(path, "%q is no whole number of 0 to %d", value, most)
		return 0
	}
	return n
}

func (t *translation) bytes(path, value string) conf.Size {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		t.refuse(path, "%q is no number of bytes", value)
		return 0
	}
	return conf.Size(n)
}

func (t *translation) flag(path, value string) bool {
	set, err := strconv.ParseBool(value)
	if err != nil {
		t.refuse(path, `%q is neither "true" nor "false"`, value)
	}
	return set
}

func (t *translation) word(path, value string, words map[string]string) string {
	word, ok := words[value]
	if !ok {
		t.refuse(path, "unknown word %q: want one of %q", value, slices.Sorted(maps.Keys(words)))
	}
	return word
}

// warmups takes the requests that are run before a version is ready.
func (t *translation) warmups() {
	for i, f := range t.from.Warmup {
		w := WarmUp{Name: f.Name, Rows: int64(f.BatchSize), Count: int(min(f.Count, 1<<30)), Inputs: map[string]WarmUpInput{}}
		for _, name := range slices.Sorted(maps.Keys(f.Inputs)) {
			in := f.Inputs[name]
			path := fmt.Sprintf("model_warmup[%d].inputs[%q]", i, name)
			out := WarmUpInput{Shape: in.Dims, Data: in.File}
			switch said := fmt.Sprint(in.Zero, in.Random, in.File != ""); said {
			case "false false true", "false false false":
			case "true false false":
				out.Data = "zero"
			case "false true false":
				out.Data = "random"
			default:
				t.refuse(path, "has more than one of zero_data, random_data and input_data_file")
			}
			w.Inputs[name] = out
		}
		t.WarmUp = append(t.WarmUp, w)
	}
}
