package onnx

import (
	"bytes"
	"testing"
	"unsafe"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/backend/scheduler"
	"ganglion/internal/oip"
)

// TestTensorsInTheRuntimesMemory: a scheduler keeps its tensors in memory of the runtime's (here of the kind that every
// machine has), and what is still being read when the model is closed stays until it is not.
func TestTensorsInTheRuntimesMemory(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	p, err := newPinned(e.library, m.sessions[0], "Cpu")
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(scheduler.Config{MaxBatchSize: 4, Memory: p}, m.Runners()...)
	if err != nil {
		t.Fatal(err)
	}
	r := &scheduler.Request{Inputs: []oip.Tensor{tensor("a", oip.FP32, []int64{1, 1}, float32(1)), tensor("b", oip.FP32, []int64{1, 1}, float32(2))}}
	if err := s.Infer(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, ours := p.live[unsafe.SliceData(r.Outputs[0].Data)]; !ours {
		t.Error("the output is elsewhere")
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.close()
	if want := tensor("", oip.FP32, nil, float32(3)); p.allocator == nil || !bytes.Equal(r.Outputs[0].Data, want.Data) {
		t.Errorf("after the end of the model the output is %x, want %x", r.Outputs[0].Data, want.Data)
	}
	r.Release()
	if p.allocator != nil || len(p.live) > 0 {
		t.Errorf("%d buffers stay after the last answer has been read", len(p.live))
	}
	late := p.Alloc(10)
	if len(late) < 10 {
		t.Errorf("a late request gets %d bytes", len(late))
	}
	p.Free(late)
}

// TestNoPinnedMemory: a kind of memory that the device does not have is an error, not a crash.
func TestNoPinnedMemory(t *testing.T) {
	e := start(t, Config{})
	m := load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
	if _, err := newPinned(e.library, m.sessions[0], cudaPinned); err == nil {
		t.Error("a session on the CPU has page-locked memory")
	}
}
