package onnx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// TestLastingErrors: which failures of CUDA end all runs, in the words of those parts of the runtime that report them.
func TestLastingErrors(t *testing.T) {
	for text, want := range map[string]string{
		"CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; file=cuda_call.cc": "cudaErrorIllegalAddress",
		"CUDA failure 719: unspecified launch failure ; GPU=1":                                                "cudaErrorLaunchFailure",
		"CUDA failure 46: all CUDA-capable devices are busy or unavailable ; GPU=0":                           "cudaErrorDevicesUnavailable",
		"CUDA failure 214: uncorrectable ECC error encountered":                                               "cudaErrorECCUncorrectable",
		"CUDA failure 999: unknown error":                                                                     "cudaErrorUnknown",
		"CUDA error cudaErrorIllegalAddress:an illegal memory access was encountered":                         "cudaErrorIllegalAddress",
		"TensorRT: Cuda Runtime (an illegal memory access was encountered)":                                   "cudaErrorIllegalAddress",
		"CUDA failure 2: out of memory ; GPU=0":                                                               "",
		"CUDA failure 1: invalid argument":                                                                    "",
		"CUDA failure 7000: no such error":                                                                    "",
		"bfc_arena.cc: Failed to allocate memory for requested buffer of size 700":                            "",
		"CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED":                                                   "",
		"Non-zero status code returned while running Gather node. indices element out of bounds":              "",
		"misaligned address in somebody's own words":                                                          "",
	} {
		if got := lastingError(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// onGPU makes the model believe that it has n instances on a GPU, each a session of its own as there.
func onGPU(t *testing.T, e *Engine, path string, n int) *model {
	t.Helper()
	m := load(t, e, path, testLimit)
	m.instances = nil
	for range n {
		other := load(t, e, path, testLimit)
		s := *other.sessions[0]
		slots, err := newSlots(e.library, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(slots.close)
		s.device, s.slots = device{backend.CUDA, 0}, slots
		m.instances = append(m.instances, &s)
	}
	return m
}

// TestSickEngine: once a run on a GPU has met an error that lasts, the engine says so, and requests are refused as another
// node could answer them. Runs on the CPU go on.
func TestSickEngine(t *testing.T) {
	e := start(t, Config{})
	path := onnxtest.Write(t, onnxtest.Sum())
	m := onGPU(t, e, path, 1)
	in := []oip.Tensor{zeros("a", 1, 1), zeros("b", 1, 1)}
	run := func() error { return m.Runners()[0].Run(t.Context(), in, nil, scheduler.NewResults(nil)) }
	if err := run(); err != nil || e.Health() != nil {
		t.Fatalf("healthy: %v, %v", err, e.Health())
	}
	passing := &statusError{code: 1, text: "CUDA failure 2: out of memory ; GPU=0"}
	e.examine(m.instances[0].device, passing)
	if err := e.Health(); err != nil {
		t.Fatalf("sick for want of memory: %v", err)
	}
	for code := range 2 {
		e.examine(m.instances[0].device, &statusError{code: 1, text: fmt.Sprintf("CUDA failure %d: it breaks", 700+19*code)})
	}
	err := e.Health()
	if err == nil || !strings.Contains(err.Error(), "cuda:0 fails every run since a cudaErrorIllegalAddress: CUDA failure 700") {
		t.Fatalf("got %v, want the first reason", err)
	}
	err = run()
	var refusal *oip.Error
	var whole scheduler.Splittable
	if !errors.As(err, &refusal) || refusal.Code != oip.Unavailable || refusal.Refusal != "" || !errors.As(err, &whole) || whole.BatchSplittable() {
		t.Errorf("a run on the sick GPU: got %v", err)
	}
	infer(t, load(t, e, path, testLimit), in...)
}

// TestJudgeOnGPU: whose fault a failed run on a GPU is.
func TestJudgeOnGPU(t *testing.T) {
	e := start(t, Config{})
	m := onGPU(t, e, onnxtest.Write(t, onnxtest.Sum()), 1)
	m.worked.Store(true)
	r := m.runnerOn(m.instances[0]).run
	var refusal *oip.Error
	err := r.runError(&statusError{code: 1, text: "bfc_arena.cc:342 Available memory of 1 is smaller than requested bytes of 2"})
	if !errors.As(err, &refusal) || refusal.Code != oip.ResourceExhausted || !strings.Contains(refusal.Msg, "GPU") {
		t.Errorf("no memory: got %v", err)
	}
	err = r.runError(&statusError{code: 1, text: "Non-zero status code. Status Message: CUDNN failure 8"})
	if errors.As(err, &refusal) {
		t.Errorf("an operator failed: %v blames the client, but a GPU may fail by itself", err)
	}
	e.fall(errors.New("gone"))
	if err = r.runError(&statusError{code: 1, text: "CUDA failure 700: x"}); !errors.As(err, &refusal) || refusal.Code != oip.Unavailable {
		t.Errorf("sick: got %v", err)
	}
}

// TestInstancesOnGPURunSideBySide: they do not wait for the CPU's slots nor for each other.
func TestInstancesOnGPURunSideBySide(t *testing.T) {
	e := start(t, Config{Runs: 1})
	m := onGPU(t, e, onnxtest.Write(t, onnxtest.Slow(2000)), 2)
	held, err := e.slots.acquire(t.Context()) // as if a run on the CPU went on
	if err != nil {
		t.Fatal(err)
	}
	defer e.slots.release(held)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	var runners []*runner
	for _, instance := range m.Runners() {
		r := instance.(*runner)
		runners = append(runners, r)
		go func() { ended <- r.Run(ctx, []oip.Tensor{zeros("x", 512, 512)}, nil, scheduler.NewResults(nil)) }()
	}
	for _, r := range runners {
		underWay(r)
	}
	cancel()
	for _, r := range runners {
		r.Stop()
	}
	for range runners {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

// TestRunFindsSickness: it is the run that meets an error of CUDA who tells the engine. The runtime puts the names of operators
// into its errors, which serves to have it report one.
func TestRunFindsSickness(t *testing.T) {
	e := start(t, Config{})
	def := onnxtest.Fill(2)
	def.Nodes[0].Name = "CUDA failure 700: an illegal memory access was encountered"
	path := onnxtest.Write(t, def)
	impossible := []oip.Tensor{size(-1, 1)}
	_, err := load(t, e, path, testLimit).Run(t.Context(), impossible, nil)
	if err == nil || e.Health() != nil {
		t.Fatalf("on the CPU: %v, and the engine is %v", err, e.Health())
	}
	err = onGPU(t, e, path, 1).Runners()[0].Run(t.Context(), impossible, nil, scheduler.NewResults(nil))
	var refusal *oip.Error
	if !errors.As(err, &refusal) || refusal.Code != oip.Unavailable {
		t.Errorf("on the GPU: got %v", err)
	}
	if err := e.Health(); err == nil || !strings.Contains(err.Error(), "cudaErrorIllegalAddress") {
		t.Errorf("the engine says %v of itself", err)
	}
}
