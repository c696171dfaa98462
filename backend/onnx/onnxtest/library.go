// Package onnxtest helps tests that run real models: it finds the ONNX Runtime library and builds small models.
//
// It owns no state and may be used from parallel tests; but a process can have only one engine open at a time, so tests
// that open one are not parallel.
package onnxtest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Library returns the path of the ONNX Runtime library for tests: $ORT_LIBRARY, else what `make build` fetched. Without
// one the test fails: everything the node promises would go untested.
func Library(t testing.TB) string {
	t.Helper()
	path := os.Getenv("ORT_LIBRARY")
	if path == "" {
		name := "libonnxruntime.so"
		if runtime.GOOS == "darwin" {
			name = "libonnxruntime.dylib"
		}
		path = filepath.Join(Root(t), "bin", "lib", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("this test needs the ONNX Runtime library: run `make build` first, or set ORT_LIBRARY (%v)", err)
	}
	return path
}

// Root returns the folder of go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}
