package onnx

import (
	"errors"
	"fmt"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
)

// sessionOptions are the options of a session of a model on d. The caller destroys them.
func (e *Engine) sessionOptions(d device, opt backend.ModelOptions) (options *ort.SessionOptions, err error) {
	level, err := optimization(opt.Optimization)
	if err != nil {
		return nil, err
	}
	options, err = ort.NewSessionOptions()
	if err != nil {
		return nil, tidy(err)
	}
	settings := []func() error{
		func() error { return options.SetIntraOpNumThreads(max(opt.Threads, 1)) },
		func() error { return options.SetInterOpNumThreads(1) },
		func() error { return options.SetLogSeverityLevel(ort.LoggingLevelFatal) },
		func() error { return options.SetGraphOptimizationLevel(level) },
	}
	for key, value := range e.sessionEntries() {
		settings = append(settings, func() error { return options.AddSessionConfigEntry(key, value) })
	}
	if d.provider == backend.TensorRT {
		settings = append(settings, func() error { return appendTensorRT(options, d, opt) })
	}
	if d.isGPU() {
		settings = append(settings, func() error { return appendCUDA(options, d, opt) })
	}
	for _, set := range settings {
		if err := set(); err != nil {
			return nil, errors.Join(tidy(err), options.Destroy())
		}
	}
	return options, nil
}

// sessionEntries are those settings that the runtime takes as text.
func (e *Engine) sessionEntries() map[string]string {
	// One thread per run, unless the model's configuration asks for more, and no spinning: requests are what runs side by side
	// here. Two threads per run made a small convolution 2.5 times slower when they spun, and gained nothing at full load when
	// they did not.
	entries := map[string]string{
		"session.intra_op.allow_spinning": "0",
		"session.inter_op.allow_spinning": "0",
		// Weights are there once and for good: they take memory outside of the arenas, whose bounds are for runs.
		"session.use_device_allocator_for_initializers": "1",
	}
	if e.memory > 0 {
		entries["session.use_env_allocators"] = "1"
	}
	return entries
}

// optimization reads ModelOptions.Optimization.
func optimization(s string) (ort.GraphOptimizationLevel, error) {
	switch s {
	case "none":
		return ort.GraphOptimizationLevelDisableAll, nil
	case "basic":
		return ort.GraphOptimizationLevelEnableBasic, nil
	case "extended":
		return ort.GraphOptimizationLevelEnableExtended, nil
	case "all", "":
		return ort.GraphOptimizationLevelEnableAll, nil
	}
	return 0, fmt.Errorf(`optimization %q: want "none", "basic", "extended" or "all"`, s)
}

// appendCUDA adds the CUDA provider to options.
func appendCUDA(options *ort.SessionOptions, d device, opt backend.ModelOptions) error {
	settings, err := cudaSettings(d.gpu, opt.CUDA)
	if err != nil {
		return err
	}
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("this onnx runtime was built without CUDA (%w)", tidy(err))
	}
	defer destroy(cuda)
	if err := cuda.Update(settings); err != nil {
		return err
	}
	return options.AppendExecutionProviderCUDA(cuda)
}

// cudaSettings are the options in the provider's own words.
func cudaSettings(gpu int, o backend.CUDAOptions) (map[string]string, error) {
	settings := map[string]string{"device_id": strconv.Itoa(gpu)}
	if o.MemoryLimit < 0 {
		return nil, fmt.Errorf("CUDA memory limit of %d bytes: must not be negative", o.MemoryLimit)
	}
	if o.MemoryLimit > 0 {
		settings["gpu_mem_limit"] = strconv.FormatInt(o.MemoryLimit, 10)
	}
	arenas := map[string]string{"": "", "power_of_two": "kNextPowerOfTwo", "as_requested": "kSameAsRequested"}
	arena, ok := arenas[o.Arena]
	if !ok {
		return nil, fmt.Errorf(`CUDA arena %q: want "power_of_two" or "as_requested"`, o.Arena)
	}
	if arena != "" {
		settings["arena_extend_strategy"] = arena
	}
	searches := map[string]string{"": "", "exhaustive": "EXHAUSTIVE", "heuristic": "HEURISTIC", "default": "DEFAULT"}
	search, ok := searches[o.ConvSearch]
	if !ok {
		return nil, fmt.Errorf(`CUDA convolution search %q: want "exhaustive", "heuristic" or "default"`, o.ConvSearch)
	}
	if search != "" {
		settings["cudnn_conv_algo_search"] = search
	}
	if o.NoTF32 {
		settings["use_tf32"] = "0"
	}
	return settings, nil
}

// appendTensorRT adds the TensorRT provider to options.
func appendTensorRT(options *ort.SessionOptions, d device, opt backend.ModelOptions) error {
	settings, err := tensorRTSettings(d.gpu, opt.TensorRT)
	if err != nil {
		return err
	}
	tensorRT, err := ort.NewTensorRTProviderOptions()
	if err != nil {
		return fmt.Errorf("this onnx runtime was built without TensorRT (%w)", tidy(err))
	}
	defer destroy(tensorRT)
	if err := tensorRT.Update(settings); err != nil {
		return err
	}
	return options.AppendExecutionProviderTensorRT(tensorRT)
}

// tensorRTSettings are the options in the provider's own words.
func tensorRTSettings(gpu int, o backend.TensorRTOptions) (map[string]string, error) {
	settings := map[string]string{"device_id": strconv.Itoa(gpu)}
	if o.Workspace < 0 {
		return nil, fmt.Errorf("TensorRT workspace of %d bytes: must not be negative", o.Workspace)
	}
	if o.Workspace > 0 {
		settings["trt_max_workspace_size"] = strconv.FormatInt(o.Workspace, 10)
	}
	if o.FP16 {
		settings["trt_fp16_enable"] = "1"
	}
	if o.EngineCache != "" {
		settings["trt_engine_cache_enable"] = "1"
		settings["trt_engine_cache_path"] = o.EngineCache
	}
	return settings, nil
}
