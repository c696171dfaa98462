// Package e2e_test runs the real programs, with the real ONNX Runtime and the demo models, the way users do: as processes
// that talk over sockets. Both are built with the race detector; a race one of them reports makes its test fail.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// programs is where TestMain built the programs.
var programs struct{ gateway, backend string }

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ganglion-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs.gateway, programs.backend = filepath.Join(dir, "gateway"), filepath.Join(dir, "backend")
	for _, program := range []string{programs.gateway, programs.backend} {
		if err := build(program); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return code
}

func build(program string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "-o", program, "../cmd/"+filepath.Base(program))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}

// library is the ONNX Runtime that the nodes load: the caller's own, or the one that `make build` fetched.
func library(t *testing.T) string {
	t.Helper()
	if own := os.Getenv("ORT_LIBRARY"); own != "" {
		return own
	}
	for _, name := range []string{"libonnxruntime.so", "libonnxruntime.dylib"} {
		if path, err := filepath.Abs("../bin/lib/" + name); err == nil {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	t.Fatal("no ONNX Runtime in bin/lib: run `make library`, or set ORT_LIBRARY")
	return ""
}
