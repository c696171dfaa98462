package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend/inspect"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/cmdline"
	"ganglion/internal/onnxfile"
)

// TestInspect: a model by name, with what the engine makes of it, for people and for scripts.
func TestInspect(t *testing.T) {
	t.Setenv("ORT_LIBRARY", onnxtest.Library(t))
	models := filepath.Join(onnxtest.Root(t), "models")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"inspect", "language_id", "--models", models, "--device", "cpu", "--json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var r inspect.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Engine == nil || len(r.Engine.Coverage) != 1 || r.Engine.Coverage[0].Provider != "CPUExecutionProvider" || r.Engine.Coverage[0].Nodes == 0 || len(r.Inputs) != 1 {
		t.Errorf("got %+v", r)
	}
	out.Reset()
	if err := run(t.Context(), []string{"inspect", "--no-engine", filepath.Join(models, "iris")}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "float32[batch,4]") {
		t.Errorf("got %v\n%s", err, &out)
	}
}

// TestInspectWhatDoesNotLoad: the report is there, and says why, and the command fails.
func TestInspectWhatDoesNotLoad(t *testing.T) {
	t.Setenv("ORT_LIBRARY", onnxtest.Library(t))
	m := onnxtest.Identity(onnxfile.Float, onnxtest.Batch())
	m.Nodes[0].Op = "NoSuchOperator"
	var out bytes.Buffer
	err := run(t.Context(), []string{"inspect", "--device", "cpu", onnxtest.Write(t, m)}, &out, io.Discard)
	if !errors.Is(err, errDoesNotLoad) || !strings.Contains(out.String(), "NoSuchOperator  1") || !strings.Contains(out.String(), "DOES NOT LOAD") {
		t.Errorf("got %v\n%s", err, &out)
	}
	junk := filepath.Join(t.TempDir(), "junk.onnx")
	if err := os.WriteFile(junk, []byte("this is no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"inspect", junk}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "cannot read ONNX model") {
		t.Errorf("got %v", err)
	}
	for args, want := range map[string]string{
		"inspect": "want one MODEL, got 0", "inspect a b": "want one MODEL, got 2", "inspect --device x a": "unknown device", "inspect --x a": "flag provided but not defined",
	} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); !errors.Is(err, cmdline.ErrMisused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", args, err)
		}
	}
}
