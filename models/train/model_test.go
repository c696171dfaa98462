package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"ganglion/internal/onnxfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestIrisTrainsToTheCommittedBytes is the proof that the models in git are what
// the trainer makes, and that it makes the same on every machine.
func TestIrisTrainsToTheCommittedBytes(t *testing.T) {
	committed, err := os.ReadFile("../iris/1/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for _, procs := range []int{1, 3} {
		withProcs(t, procs, func() {
			out := filepath.Join(t.TempDir(), "model.onnx")
			if err := run(t.Context(), []string{"iris", "-o", out}, io.Discard); err != nil {
				t.Fatal(err)
			}
			trained, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(trained, committed) {
				t.Errorf("on %d processors the trained model differs from models/iris/1/model.onnx: run \"go run ./models/train iris\" if that is meant", procs)
			}
		})
	}
}

// withProcs runs f on so many processors.
func withProcs(t *testing.T, n int, f func()) {
	t.Helper()
	before := runtime.GOMAXPROCS(n)
	defer runtime.GOMAXPROCS(before)
	f()
}

// TestCommittedModels checks what clients rely on: names, types and axes.
func TestCommittedModels(t *testing.T) {
	f := func(name string, want ...string) {
		t.Helper()
		s, err := onnxfile.ReadFile(filepath.Join("..", name, "1", "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range append(s.Inputs, s.Outputs...) {
			got = append(got, v.Name+" "+v.Type.String())
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("%s has %q, want %q", name, got, want)
			}
		}
	}
	f("iris", "measurements float32[batch,4]", "probabilities float32[batch,3]", "label int64[batch]", "species string[batch]")
	f("fashion_mnist_cnn", "image float32[batch,1,28,28]", "probabilities float32[batch,10]", "label int64[batch]", "garment string[batch]")
	f("language_id", "bytes uint8[batch,length]", "probabilities float32[batch,28]", "label int64[batch]", "language string[batch]")
}

// TestModelsStaySmall keeps a clone light.
func TestModelsStaySmall(t *testing.T) {
	files, err := filepath.Glob("../*/*/model.onnx")
	if err != nil || len(files) != 3 {
		t.Fatalf("found %q, %v: want 3 models", files, err)
	}
	var total int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 200_000 {
		t.Errorf("the demo models have %d bytes together, want at most 200000", total)
	}
}
