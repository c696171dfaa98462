//go:build unix

package onnxfile

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipe: a model that is a pipe is refused, and nobody waits for its writer.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, want it to say that it is not a regular file", err)
	}
}
