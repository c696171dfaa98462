package onnx

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
)

// TestPlacement: where instances go, on a node whose own device is the CPU and on one whose own is a GPU.
func TestPlacement(t *testing.T) {
	onFirst, onSecond := device{backend.CUDA, 0}, device{backend.CUDA, 1}
	cpuNode, gpuNode := &Engine{device: onCPU, runs: 4}, &Engine{device: onSecond, runs: 4}
	groups := func(g ...backend.InstanceGroup) []backend.InstanceGroup { return g }
	tests := []struct {
		name   string
		engine *Engine
		groups []backend.InstanceGroup
		want   []placement
	}{
		{"nothing said, CPU", cpuNode, nil, []placement{{onCPU, 4}}},
		{"nothing said, GPU", gpuNode, nil, []placement{{onSecond, 1}}},
		{"a count", gpuNode, groups(backend.InstanceGroup{Count: 3}), []placement{{onSecond, 3}}},
		{"CPU on a GPU node", gpuNode, groups(backend.InstanceGroup{Provider: backend.CPU}), []placement{{onCPU, 4}}},
		{"GPU on a CPU node", cpuNode, groups(backend.InstanceGroup{Provider: backend.CUDA}), []placement{{onFirst, 1}}},
		{"two GPUs", gpuNode, groups(backend.InstanceGroup{GPUs: []int{0, 1}, Count: 2}), []placement{{onFirst, 2}, {onSecond, 2}}},
		{
			"TensorRT and CPU", gpuNode,
			groups(backend.InstanceGroup{Provider: backend.TensorRT}, backend.InstanceGroup{Provider: backend.CPU, Count: 1}),
			[]placement{{device{backend.TensorRT, 1}, 1}, {onCPU, 1}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.engine.place(test.groups)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

// TestRefusedPlacement: what makes no sense is refused before anything is loaded.
func TestRefusedPlacement(t *testing.T) {
	e := &Engine{device: onCPU, runs: 2}
	for want, group := range map[string]backend.InstanceGroup{
		`provider "rocm": want "cpu", "cuda" or "tensorrt"`: {Provider: "rocm"},
		"must not be negative":                              {Count: -1},
		"instances on the CPU that name GPUs [0]":           {GPUs: []int{0}},
		"GPU -1: GPUs are numbered from 0":                  {Provider: backend.CUDA, GPUs: []int{-1}},
		"more than 1024 instances":                          {Count: 1 << 40},
	} {
		if _, err := e.place([]backend.InstanceGroup{group}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error that says %s", group, err, want)
		}
	}
}

// TestInstances: instances on the CPU share a session, in whatever groups they come, and a GPU that is not there is an error
// that says so.
func TestInstances(t *testing.T) {
	e := start(t, Config{Runs: 3})
	path := onnxtest.Write(t, onnxtest.Sum())
	open := func(groups ...backend.InstanceGroup) (*model, error) {
		t.Helper()
		opened, err := e.Open(path, backend.ModelOptions{MaxOutput: testLimit, Instances: groups})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() {
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
		})
		return opened.(*model), nil
	}
	for want, groups := range map[int][]backend.InstanceGroup{3: nil, 5: {{Count: 1}, {Provider: backend.CPU, Count: 4}}} {
		m, err := open(groups...)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(m.Runners()); got != want || len(m.sessions) != 1 {
			t.Errorf("%v: %d instances of %d sessions, want %d of 1", groups, got, len(m.sessions), want)
		}
		if m.Memory() != nil {
			t.Error("a model on the CPU has memory of its own")
		}
	}
	for _, provider := range []backend.Provider{backend.CUDA, backend.TensorRT} {
		_, err := open(backend.InstanceGroup{Provider: backend.CPU}, backend.InstanceGroup{Provider: provider, GPUs: []int{99}})
		if err == nil || !strings.HasPrefix(err.Error(), "on "+string(provider)+":99: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line that says where", err)
		}
	}
	if n := e.models.Load(); n != 2 {
		t.Errorf("%d models count as open, want 2", n)
	}
}

// TestOptimization: what is not one of the four words is refused.
func TestOptimization(t *testing.T) {
	e := start(t, Config{})
	path := onnxtest.Write(t, onnxtest.Sum())
	for _, level := range []string{"", "none", "basic", "extended", "all"} {
		opened, err := e.Open(path, backend.ModelOptions{MaxOutput: testLimit, Optimization: level})
		if err != nil {
			t.Fatalf("%q: %v", level, err)
		}
		infer(t, opened.(*model), zeros("a", 1, 1), zeros("b", 1, 1))
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := e.Open(path, backend.ModelOptions{Optimization: "most"}); err == nil || !strings.Contains(err.Error(), `"most": want "none"`) {
		t.Errorf("got %v", err)
	}
}

// TestProviderSettings: options in the providers' own words; what is left open is left to the provider.
func TestProviderSettings(t *testing.T) {
	check := func(got map[string]string, err error, want map[string]string) {
		t.Helper()
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	got, err := cudaSettings(0, backend.CUDAOptions{})
	check(got, err, map[string]string{"device_id": "0"})
	got, err = cudaSettings(3, backend.CUDAOptions{MemoryLimit: 2 << 30, Arena: "as_requested", ConvSearch: "heuristic", NoTF32: true})
	check(got, err, map[string]string{
		"device_id": "3", "gpu_mem_limit": "2147483648", "arena_extend_strategy": "kSameAsRequested",
		"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0",
	})
	got, err = tensorRTSettings(1, backend.TensorRTOptions{})
	check(got, err, map[string]string{"device_id": "1"})
	got, err = tensorRTSettings(1, backend.TensorRTOptions{FP16: true, Workspace: 1 << 30, EngineCache: "/var/cache/x"})
	check(got, err, map[string]string{
		"device_id": "1", "trt_fp16_enable": "1", "trt_max_workspace_size": "1073741824",
		"trt_engine_cache_enable": "1", "trt_engine_cache_path": "/var/cache/x",
	})
	for want, o := range map[string]backend.CUDAOptions{
		"-1 bytes":                     {MemoryLimit: -1},
		`"kSame": want "power_of_two"`: {Arena: "kSame"},
		`"FAST": want "exhaustive"`:    {ConvSearch: "FAST"},
	} {
		if _, err := cudaSettings(0, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error that says %s", o, err, want)
		}
	}
	if _, err := tensorRTSettings(0, backend.TensorRTOptions{Workspace: -1}); err == nil {
		t.Error("a negative workspace is taken")
	}
}
