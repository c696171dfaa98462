package oip

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tritonConfig is what Triton shows of a model that it completed itself.
const tritonConfig = `{"name":"simple","platform":"onnxruntime_onnx","backend":"onnxruntime","runtime":"","version_policy":{"latest":{"num_versions":1}},` +
	`"max_batch_size":8,"input":[{"name":"INPUT0","data_type":"TYPE_STRING","format":"FORMAT_NONE","dims":[-1],"is_shape_tensor":false,` +
	`"allow_ragged_batch":false,"optional":false,"is_non_linear_format_io":false}],"output":[{"name":"OUTPUT0","data_type":"TYPE_FP32","dims":[16],` +
	`"label_filename":"","is_shape_tensor":false,"is_non_linear_format_io":false}],"batch_input":[],"batch_output":[],` +
	`"optimization":{"priority":"PRIORITY_DEFAULT","gather_kernel_buffer_threshold":0,"eager_batching":false},` +
	`"dynamic_batching":{"preferred_batch_size":[8],"max_queue_delay_microseconds":100,"preserve_ordering":false,"priority_levels":0,` +
	`"default_priority_level":0,"priority_queue_policy":{}},"instance_group":[{"name":"simple_0","kind":"KIND_GPU","count":2,"gpus":[0],` +
	`"secondary_devices":[],"profile":[],"passive":false,"host_policy":""}],"default_model_filename":"model.onnx","cc_model_filenames":{},` +
	`"metric_tags":{},"parameters":{"key":{"string_value":"v"}},"model_warmup":[],"model_transaction_policy":{"decoupled":false}}`

func TestModelConfigReadsAndWritesWhatTritonShows(t *testing.T) {
	c, unknown, err := ParseModelConfig([]byte(tritonConfig))
	if err != nil || len(unknown) > 0 {
		t.Fatalf("unknown %q, %v", unknown, err)
	}
	if c.Inputs[0].Datatype != Bytes || c.MaxBatchSize != 8 || c.DynamicBatching.MaxQueueDelay != 100 || c.InstanceGroups[0].Count != 2 ||
		c.Parameters["key"] != "v" || c.VersionPolicy.Latest != 1 || !slices.Equal(c.InstanceGroups[0].GPUs, []int32{0}) {
		t.Errorf("reads as %+v", c)
	}
	if got := string(AppendModelConfig(nil, &c)); got != tritonConfig {
		t.Errorf("written again:\n%s\nwant\n%s", got, tritonConfig)
	}
}

// fullConfig sets every field.
func fullConfig() *ModelConfig {
	level, cached := int32(-1), true
	return &ModelConfig{
		Name: "m", Platform: "p", Backend: "b", Runtime: "r", VersionPolicy: &VersionPolicy{Specific: []int64{1, 3}}, MaxBatchSize: 4,
		Inputs: []ConfigInput{{
			Name: "x", Datatype: BF16, Format: "FORMAT_NCHW", Dims: []int64{3, -1}, Reshape: []int64{}, IsShapeTensor: true,
			AllowRaggedBatch: true, Optional: true,
		}},
		Outputs: []ConfigOutput{{Name: "y", Datatype: Bool, Dims: []int64{1}, Reshape: []int64{1, 1}, LabelFilename: "l.txt", IsShapeTensor: true}},
		Optimization: &ConfigOptimization{
			GraphLevel: &level, Priority: "PRIORITY_MAX",
			GPUAccelerators: []Accelerator{{Name: "tensorrt", Parameters: map[string]string{"precision_mode": "FP16"}}},
			CPUAccelerators: []Accelerator{},
		},
		DynamicBatching: &DynamicBatching{
			PreferredBatchSizes: []int32{2, 4}, MaxQueueDelay: 1 << 63, PreserveOrdering: true, PriorityLevels: 2, DefaultPriorityLevel: 1,
			DefaultQueuePolicy:  &QueuePolicy{TimeoutAction: "DELAY", DefaultTimeout: 9, AllowTimeoutOverride: true, MaxQueueSize: 7},
			PriorityQueuePolicy: map[uint64]QueuePolicy{2: {TimeoutAction: "REJECT"}},
		},
		InstanceGroups:       []InstanceGroup{{Name: "g", Kind: "KIND_CPU", Count: 1, GPUs: []int32{}, Profile: []string{"a"}, Passive: true, HostPolicy: "h"}},
		DefaultModelFilename: "model.onnx",
		MetricTags:           map[string]string{"a": "b"},
		Parameters:           map[string]string{"k": "v\"x"},
		Warmup: []ConfigWarmup{{Name: "w", BatchSize: 1, Count: 2, Inputs: map[string]WarmupInput{
			"x": {Datatype: FP32, Dims: []int64{2}, ZeroData: true},
			"y": {Datatype: Bytes, Dims: []int64{1}, InputDataFile: "f"},
			"z": {Datatype: Int8, Dims: []int64{}, RandomData: true},
		}}},
		Decoupled: true, ResponseCache: &cached,
	}
}

func TestModelConfigRoundTrip(t *testing.T) {
	body := AppendModelConfig(nil, fullConfig())
	if !json.Valid(body) {
		t.Fatalf("no JSON: %s", body)
	}
	c, unknown, err := ParseModelConfig(body)
	if err != nil || len(unknown) > 0 || !reflect.DeepEqual(&c, fullConfig()) {
		t.Errorf("reads as %+v, unknown %q, %v; want %+v", c, unknown, err, fullConfig())
	}
}

func TestModelConfigNamesWhatItDoesNotKnow(t *testing.T) {
	const body = `{"name":"m","output":[{}],"max_batch_size":"4","sequence_batching":{"oldest":{}},"batch_input":[],"optimization":{"cuda":{"graphs":true},
		"eager_batching":true,"gather_kernel_buffer_threshold":0},"input":[{"name":"x","mystery":1}],"model_repository_agents": {} ,"backend":null}`
	c, unknown, err := ParseModelConfig([]byte(body))
	want := []string{"sequence_batching", "optimization.cuda", "optimization.eager_batching", "input.mystery"}
	if err != nil || c.MaxBatchSize != 4 || !slices.Equal(unknown, want) {
		t.Errorf("unknown %q, %v; want %q", unknown, err, want)
	}
}

func TestModelConfigRefuses(t *testing.T) {
	for body, want := range map[string]string{
		`[]`:                                                       "the configuration is an array, expected an object",
		`{"name":"a","name":"b"}`:                                  `member "name" comes twice`,
		`{"max_batch_size":3000000000}`:                            `"max_batch_size" is 3000000000, which is no whole number or too large`,
		`{"max_batch_size":1.5}`:                                   `"max_batch_size" is 1.5, which is no whole number`,
		`{"max_batch_size":true}`:                                  `"max_batch_size" is a boolean, expected a whole number`,
		`{"input":[{"data_type":"FP32"}]}`:                         `unknown data_type "FP32", expected TYPE_STRING or TYPE_ with one of`,
		`{"input":[{"data_type":"TYPE_BYTES"}]}`:                   `unknown data_type "TYPE_BYTES"`,
		`{"input":{}}`:                                             `"input" is an object, expected an array`,
		`{"instance_group":[{"kind":"GPU"}]}`:                      `"kind" is "GPU", expected one of KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL`,
		`{"version_policy":{"all":{},"latest":{}}}`:                `"version_policy" has 2 members`,
		`{"dynamic_batching":{"priority_queue_policy":{"x":{}}}}`:  `priority level "x"`,
		`{"dynamic_batching":{"max_queue_delay_microseconds":-1}}`: `"max_queue_delay_microseconds" is -1, which is no whole number from 0`,
		`{"name":"a"} x`:                                           "expected the end of the input",
		strings.Repeat(`{"input":[`, 40):                           "nested deeper than 32",
		`{"parameters":{"a":"b"}}`:                                 `"parameters" is a string, expected an object`,
	} {
		if _, _, err := ParseModelConfig([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", body, err, want)
		}
	}
}
