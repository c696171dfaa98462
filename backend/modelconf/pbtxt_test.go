package modelconf_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ganglion/backend/modelconf"
	"ganglion/internal/conf"
)

// everything is a configuration of a model of images that says all that the node honours.
const everything = `
name: "images"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
version_policy: { specific { versions: [ 1, 3 ] } }
max_batch_size: 16
input [
  { name: "pixels" data_type: TYPE_UINT8 format: FORMAT_NHWC dims: [ 224, 224, 3 ] },
  { name: "scale" data_type: TYPE_FP32 dims: [ 1 ] reshape: { shape: [ ] } optional: true }
]
output { name: "classes" data_type: TYPE_FP32 dims: [ 1000 ] label_filename: "labels.txt" }
output { name: "text" data_type: TYPE_STRING dims: [ -1 ] }
instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] }, { count: 1 kind: KIND_CPU } ]
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 500
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { default_timeout_microseconds: 2000000 max_queue_size: 64 allow_timeout_override: true }
}
optimization {
  graph { level: 1 }
  execution_accelerators {
    gpu_execution_accelerator: [ { name: "tensorrt"
      parameters { key: "precision_mode" value: "FP16" }
      parameters { key: "max_workspace_size_bytes" value: "1073741824" }
      parameters { key: "trt_engine_cache_path" value: "/var/cache/engines" } } ]
  }
}
parameters { key: "intra_op_thread_count" value { string_value: "4" } }
parameters { key: "gpu_mem_limit" value: { string_value: "2147483648" } }
parameters { key: "cudnn_conv_algo_search" value: { string_value: "1" } }
parameters { key: "arena_extend_strategy" value: { string_value: "1" } }
default_model_filename: "network.onnx"
model_warmup [ { name: "zeros" batch_size: 8 count: 3
  inputs { key: "pixels" value: { data_type: TYPE_UINT8 dims: [ 224, 224, 3 ] zero_data: true } }
  inputs { key: "scale" value: { data_type: TYPE_FP32 dims: [ 1 ] input_data_file: "scale.raw" } } } ]
model_transaction_policy { decoupled: false }
`

func TestPBTXT(t *testing.T) {
	c, err := modelconf.ReadPBTXT("images/config.pbtxt", "images", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	want := modelconf.Default()
	want.ModelFile = "network.onnx"
	want.Versions.Only = []int64{1, 3}
	want.MaxBatchSize = 16
	want.Inputs = map[string]modelconf.Input{
		"pixels": {Tensor: modelconf.Tensor{Datatype: "UINT8", Shape: []int64{224, 224, 3}}},
		"scale":  {Tensor: modelconf.Tensor{Datatype: "FP32", Shape: []int64{1}, Reshape: []int64{}}, Optional: true},
	}
	want.Outputs = map[string]modelconf.Output{
		"classes": {Tensor: modelconf.Tensor{Datatype: "FP32", Shape: []int64{1000}}, Labels: "labels.txt"},
		"text":    {Tensor: modelconf.Tensor{Datatype: "BYTES", Shape: []int64{-1}}},
	}
	want.Complete.Inputs, want.Complete.Outputs = true, true
	want.Instances = modelconf.Instances{Threads: 4, On: []modelconf.Placement{{"tensorrt:0", 2}, {"tensorrt:1", 2}, {"cpu", 1}}}
	want.PreferredBatchSizes, want.MaxQueueDelay = []int{4, 8}, 500*time.Microsecond
	want.PriorityLevels, want.DefaultPriority = 3, 2
	want.QueueTimeout, want.MaxQueueRequests = 2*time.Second, 64
	want.Engine.Optimization = "extended"
	want.Engine.TensorRT = modelconf.TensorRT{FP16: true, Workspace: conf.GiB, EngineCache: "/var/cache/engines"}
	want.Engine.CUDA = modelconf.CUDA{MemoryLimit: 2 * conf.GiB, Arena: "as_requested", ConvSearch: "heuristic", TF32: true}
	want.WarmUp = []modelconf.WarmUp{{Name: "zeros", Rows: 8, Count: 3, Inputs: map[string]modelconf.WarmUpInput{
		"pixels": {Shape: []int64{224, 224, 3}, Data: "zero"},
		"scale":  {Shape: []int64{1}, Data: "scale.raw"},
	}}}
	if !c.ServesAs(&want) || !reflect.DeepEqual(c.Versions, want.Versions) || c.Source != "config.pbtxt" || len(c.Warnings) > 0 {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	for key, where := range map[string]string{
		"max_batch_size": "config.pbtxt:6", "inputs.scale.shape": "config.pbtxt:9", "outputs.text.datatype": "config.pbtxt:12",
		"max_queue_delay": "config.pbtxt:16", "warm_up[0].inputs.scale": "config.pbtxt:37", "inputs.none": "config.pbtxt",
	} {
		if got := c.Where(key); got != where {
			t.Errorf("%s: got %s, want %s", key, got, where)
		}
	}
}

// TestPBTXTDefaults: what a file does not say is Triton's default where that changes answers.
func TestPBTXTDefaults(t *testing.T) {
	c, err := modelconf.ReadPBTXT("m/config.pbtxt", "m", nil)
	if err != nil || c.Versions.Latest != 1 || c.MaxBatchSize != modelconf.FindOut || c.Complete.Inputs || c.ModelFile != "model.onnx" {
		t.Errorf("got %+v, %v", c, err)
	}
	c, err = modelconf.ReadPBTXT("m/config.pbtxt", "m", []byte(`instance_group { kind: KIND_GPU } instance_group { kind: KIND_GPU count: 2 }
		version_policy { all { } } dynamic_batching { }`))
	if err != nil || c.Instances.Device != "cuda" || c.Instances.Count != 3 || !c.Versions.All {
		t.Errorf("got %+v, %v", c, err)
	}
}

// TestRefusals: what the node does not do is refused with the place where it was asked for.
func TestRefusals(t *testing.T) {
	for src, want := range map[string]string{
		"\nensemble_scheduling { step [ { model_name: 'a' } ] }": `m/config.pbtxt:2: ensemble_scheduling: ensembles of models are not supported`,
		"sequence_batching { direct { } }":                       `m/config.pbtxt:1: sequence_batching: requests that belong together and share state are not supported`,
		"model_transaction_policy { decoupled: true }":           `m/config.pbtxt:1: model_transaction_policy.decoupled: an ONNX model gives one answer to a request: want false`,
		"name: 'other'":                                        `m/config.pbtxt:1: name: "other" is not the name of the model's folder, "m"`,
		"platform: 'tensorrt_plan'":                            `m/config.pbtxt:1: platform: "tensorrt_plan" is not served here: want "onnxruntime_onnx"`,
		"backend: 'python'":                                    `m/config.pbtxt:1: backend: "python" is not served here: want "onnxruntime"`,
		"max_batch_size: -4":                                   `m/config.pbtxt:1: max_batch_size: -4 is not between 0 and 1048576`,
		"max_bach_size: 4":                                     `m/config.pbtxt:1: max_bach_size: unknown field; did you mean "max_batch_size"?`,
		"batch_input { kind: BATCH_ELEMENT_COUNT }":            `m/config.pbtxt:1: batch_input: ragged batches by extra inputs`,
		"input { name: 'x' allow_ragged_batch: true }":         `m/config.pbtxt:1: input[0].allow_ragged_batch: batches without padding`,
		"input { name: 'x' is_shape_tensor: true }":            `m/config.pbtxt:1: input[0].is_shape_tensor: is for TensorRT models only`,
		"input { name: 'x' dims: [ -2 ] }":                     `m/config.pbtxt:1: input[0].dims: -2 is no size`,
		"input { name: 'x' dims: 4 reshape { shape: [ 3 ] } }": `m/config.pbtxt:1: input[0].reshape: [3] is made of [4], and does not have as many elements`,
		"input { name: 'x' dims: [ 65536, 65536 ] reshape { shape: [ 65536, 65537 ] } }": `does not have as many elements`,
		"input { name: 'x' }\ninput { name: 'x' }":                                       `m/config.pbtxt:2: input[1].name: "x" is there twice`,
		"input { dims: 4 }":                                                                          `m/config.pbtxt:1: input[0]: has no name`,
		"output { name: 'y' label_filename: '../x' }":                                                `m/config.pbtxt:1: output[0].label_filename: "../x" is not the name of a file`,
		"default_model_filename: '../../x.onnx'":                                                     `m/config.pbtxt:1: default_model_filename: "../../x.onnx" is not the name of a file`,
		"cc_model_filenames { key: '7.5' value: 'a' }":                                               `m/config.pbtxt:1: cc_model_filenames: a model file for each kind of GPU`,
		"instance_group { kind: KIND_MODEL }":                                                        `m/config.pbtxt:1: instance_group[0].kind: KIND_MODEL`,
		"instance_group { count: 300 }":                                                              `m/config.pbtxt:1: instance_group.count: 300 is not between 0 and 256`,
		"instance_group { gpus: -1 }":                                                                `m/config.pbtxt:1: instance_group.device: unknown device "cuda:-1"`,
		"instance_group { kind: KIND_CPU gpus: 0 }":                                                  `m/config.pbtxt:1: instance_group[0].gpus: [0], of a group of KIND_CPU`,
		"dynamic_batching { preserve_ordering: true }":                                               `m/config.pbtxt:1: dynamic_batching.preserve_ordering: answers are given as soon as`,
		"dynamic_batching { priority_levels: 99 }":                                                   `m/config.pbtxt:1: dynamic_batching.priority_levels: 99 is not between 1 and 16`,
		"dynamic_batching { default_priority_level: 1 }":                                             `m/config.pbtxt:1: dynamic_batching.default_priority_level: 1 is none of 0`,
		"dynamic_batching { max_queue_delay_microseconds: 99000000 }":                                `m/config.pbtxt:1: dynamic_batching.max_queue_delay_microseconds: 1m39s is not between 0s and 1m0s`,
		"dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 }":                    `is more than a day`,
		"dynamic_batching {\n default_queue_policy { timeout_action: DELAY } }":                      `m/config.pbtxt:2: dynamic_batching.default_queue_policy.timeout_action: DELAY`,
		"dynamic_batching { priority_queue_policy { key: 1 value { max_queue_size: 1 } } }":          `m/config.pbtxt:1: dynamic_batching.priority_queue_policy: a queue for each priority`,
		"optimization { graph { level: 7 } }":                                                        `m/config.pbtxt:1: optimization.graph.level: 7 is not between -2 and 2`,
		"optimization { execution_accelerators { cpu_execution_accelerator { name: 'openvino' } } }": `"openvino" is not supported`,
		"optimization { execution_accelerators { gpu_execution_accelerator { name: 'auto' } } }":     `"auto" is not supported: want "tensorrt" or "cuda"`,
		"parameters { key: 'intra_op_thread_count' value { string_value: 'x' } }":                    `m/config.pbtxt:1: parameters["intra_op_thread_count"]: "x" is no whole number of 0 to 256`,
		"model_warmup { inputs { key: 'x' value { zero_data: true random_data: true } } }":           `m/config.pbtxt:1: model_warmup[0].inputs["x"]: has more than one of`,
		"model_warmup { inputs { key: 'x' value { input_data_file: '/etc/passwd' } } }":              `is neither "zero" nor "random" nor the name of a file`,
		"version_policy { specific { versions: 0 } }":                                                `m/config.pbtxt:1: version_policy.specific.versions: 0 is no version`,
		"version_policy { latest { } all { } }":                                                      `m/config.pbtxt:1: version_policy: all, latest and only exclude each other`,
		"model_operations { op_library_filename: 'x.so' }":                                           `m/config.pbtxt:1: model_operations.op_library_filename: libraries of custom operators are not loaded`,
		"model_repository_agents { }":                                                                `m/config.pbtxt:1: model_repository_agents: agents are not run`,
		"runtime: 'x'":                                                                               `m/config.pbtxt:1: runtime: "x"`,
	} {
		_, err := modelconf.ReadPBTXT("m/config.pbtxt", "m", []byte(src))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", src, err, want)
		}
	}
}

// TestLeftOut: what is harmless is left out, and said.
func TestLeftOut(t *testing.T) {
	for src, want := range map[string]string{
		"response_cache { enable: true }":                                                            `response_cache: is ignored: answers are cached in the gateway`,
		"parameters { key: 'tokenizer' value { string_value: 'x' } }":                                `parameters["tokenizer"]: is ignored: the node does not know this option`,
		"parameters { key: 'execution_mode' value { string_value: '1' } }":                           `parameters["execution_mode"]: is ignored`,
		"optimization { cuda { graphs: true } }":                                                     `optimization.cuda: is ignored`,
		"optimization { execution_accelerators { gpu_execution_accelerator { name: 'tensorrt' } } }": `is ignored: no instance_group of KIND_GPU`,
		"instance_group { rate_limiter { resources [ { name: 'R' } ] } }":                            `instance_group[0].rate_limiter: is ignored`,
		"metric_tags { key: 'a' value: 'b' }":                                                        `metric_tags: is ignored`,
		"dynamic_batching { preferred_batch_size: 4 }":                                               `dynamic_batching.preferred_batch_size: changes nothing without`,
	} {
		c, err := modelconf.ReadPBTXT("m/config.pbtxt", "m", []byte(src))
		if err != nil || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "m/config.pbtxt:1: ") || !strings.Contains(c.Warnings[0], want) {
			t.Errorf("%s:\ngot  %q, %v\nwant %s", src, c.Warnings, err, want)
		}
	}
}

// TestJSON: what a load request brings is the same message in JSON.
func TestJSON(t *testing.T) {
	c, err := modelconf.ReadJSON("m", []byte(`{"backend": "onnxruntime", "maxBatchSize": 8, "dynamic_batching": {"max_queue_delay_microseconds": "100"},
		"instance_group": [{"kind": "KIND_CPU", "count": 2}], "parameters": {"intra_op_thread_count": {"string_value": "2"}}}`))
	if err != nil || c.MaxBatchSize != 8 || c.MaxQueueDelay != 100*time.Microsecond || c.Instances.Threads != 2 || c.Instances.Count != 2 || c.Instances.Device != "cpu" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err = modelconf.ReadJSON("m", []byte("{\n\"ensemble_scheduling\": {}}")); err == nil || err.Error() != "config:2: ensemble_scheduling: ensembles of models are not supported" {
		t.Errorf("got %v", err)
	}
}

// FuzzPBTXT: no text makes it panic, and what is accepted keeps to its bounds.
func FuzzPBTXT(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`max_batch_size: 0 input { name: "x" dims: [ -1, 2 ] reshape { shape: [ 2, -1 ] } }`))
	f.Add([]byte(`instance_group { gpus: [ 1, 1 ] count: 200 }`))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := modelconf.ReadPBTXT("m/config.pbtxt", "m", src)
		if err != nil {
			return
		}
		total := 0
		for _, p := range c.Instances.Placements() {
			total += p.Count
		}
		if total > 256 || c.Instances.Threads < 1 || c.Instances.Threads > 256 || c.MaxQueueDelay < 0 || c.PriorityLevels > 16 || c.ModelFile == "" {
			t.Errorf("accepted %+v", c)
		}
	})
}

// TestKeysAreDocumented: a key that the documentation does not name is one that nobody finds.
func TestKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "model-config.md"))
	if err != nil {
		t.Fatal(err)
	}
	var look func(path string, of reflect.Type)
	look = func(path string, of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for f := range of.Fields() {
			switch tag := f.Tag.Get("toml"); {
			case f.Anonymous:
				look(path, f.Type)
			case tag == "":
			case !strings.Contains(string(page), tag):
				t.Errorf("docs/model-config.md does not mention %s%s", path, tag)
			default:
				look(path+tag+".", f.Type)
			}
		}
	}
	look("", reflect.TypeFor[modelconf.Config]())
}
