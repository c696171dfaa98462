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

	"ganglion/backend/check"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/cmdline"
)

// TestCheck: a repository with a good model and a bad one, from flags to the exit.
func TestCheck(t *testing.T) {
	t.Setenv("ORT_LIBRARY", onnxtest.Library(t))
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "iris"), os.DirFS(filepath.Join(onnxtest.Root(t), "models", "iris"))); err != nil {
		t.Fatal(err)
	}
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Beside the one that the demo model brings.
	put("iris/test/setosa.request.json", `{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}`)
	put("iris/test/setosa.response.json", `{"model_name":"iris","outputs":[{"name":"species","shape":[1],"datatype":"BYTES","data":["setosa"]}]}`)
	report := filepath.Join(dir, "report.json")
	args := []string{"check", "--models", dir, "--device", "cpu", "--duration", "1s", "--json", report}
	var out bytes.Buffer
	if err := run(t.Context(), append(args, "iris"), &out, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"iris version 1: ready", "2 of 2 tests as expected", "max_batch_size = ", "READY: 1 of 1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	put("broken/1/model.onnx", "this is no model")
	out.Reset()
	if err := run(t.Context(), append(args, "--duration", "0"), &out, io.Discard); !errors.Is(err, errNotReady) {
		t.Errorf("got %v\n%s", err, &out)
	}
	var r check.Report
	text, err := os.ReadFile(report)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || r.Ready || len(r.Models) != 2 || r.Models[0].Ready || !r.Models[1].Ready || r.Memory == nil || r.Memory.PeakBytes == 0 {
		t.Errorf("got %v and %s", err, text)
	}
}

func TestCheckFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--clients 0":    `--clients: "0" is no whole number of 1 to 1024`,
		"--batches 1,x":  `--batches: "x" is no whole number`,
		"--accuracy 2":   "--accuracy: want a number from 0 to 1",
		"--rtol -1":      "want numbers from 0",
		"--duration 1ms": "want at least 1s",
		"--device tpu":   `unknown device "tpu"`,
		"--what":         "flag provided but not defined",
	} {
		err := run(t.Context(), append([]string{"check"}, strings.Fields(args)...), io.Discard, io.Discard)
		if !errors.Is(err, cmdline.ErrMisused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}

func TestBarFitsIntoALine(t *testing.T) {
	for _, c := range []struct {
		done, total int
		what, want  string
	}{
		{0, 0, "", "[..............................] "},
		{1, 2, "half", "[###############...............] half"},
		{9, 2, strings.Repeat("x", 100), "[##############################] " + strings.Repeat("x", 45)},
	} {
		if got := barLine(c.done, c.total, c.what); got != c.want {
			t.Errorf("%d of %d: got %q, want %q", c.done, c.total, got, c.want)
		}
	}
}
