package onnx

import (
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
)

func TestParseDevice(t *testing.T) {
	for _, good := range []string{"auto", "cpu", "cuda:0", "cuda:15", "tensorrt:1"} {
		if err := ParseDevice(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "CPU", "cuda:99999", "tensorrt", "cpu:0"} {
		if err := ParseDevice(bad); err == nil || !strings.Contains(err.Error(), `want "auto", "cpu", "cuda:N" or "tensorrt:N"`) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// TestAutoDevice: auto works on any machine and says what it took.
func TestAutoDevice(t *testing.T) {
	e := start(t, Config{Device: "auto"})
	info := e.Info()
	switch {
	case info.Device == "cpu" && strings.Contains(info.Reason, "no CUDA device can be used: "):
	case info.Device == "cuda:0":
	default:
		t.Errorf("got %+v", info)
	}
	load(t, e, onnxtest.Write(t, onnxtest.Sum()), testLimit)
}

// TestMissingDevice: a device asked for by name and not there is an error that says why.
func TestMissingDevice(t *testing.T) {
	_, err := New(Config{Library: onnxtest.Library(t), Device: "cuda:99"})
	if err == nil || !strings.Contains(err.Error(), `device "cuda:99" is not available: `) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says why", err)
	}
	start(t, Config{}) // and nothing is left over that would be in the way
}
