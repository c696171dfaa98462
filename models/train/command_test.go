package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/internal/onnxfile"
)

func TestWrongCommandsAreRefused(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		err := run(t.Context(), args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("train %q: error is %v, want %q in it", args, err, want)
		}
	}
	empty := t.TempDir()
	f("no model is named")
	f(`unknown model "irs": accepted are iris, fashion, langid, encoder`, "irs")
	f(`unexpected argument "x"`, "iris", "x")
	f("fetch-data.sh", "fashion", "-data", empty)
	f("fetch-data.sh", "langid", "-data", empty)
	f("-hidden 100 is no multiple of -heads 12", "encoder", "-hidden", "100")
	f("encoder size 0", "encoder", "-layers", "0")
}

func TestInterruptLeavesTheOldModel(t *testing.T) {
	out := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(out, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"iris", "-o", out}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != "old" {
		t.Errorf("the model is now %q, %v: want it untouched", b, err)
	}
}

func TestBadRowsAreNamed(t *testing.T) {
	f := func(row, want string) {
		t.Helper()
		_, err := parseIris("# comment\n" + row)
		if err == nil || !strings.Contains(err.Error(), "iris.csv:2") || !strings.Contains(err.Error(), want) {
			t.Errorf("row %q: error is %v, want %q in it", row, err, want)
		}
	}
	f("1,2,3,setosa", "4 fields")
	f("1,2,3,x,setosa", `parsing "x"`)
	f("1,2,3,4,rose", `unknown species "rose"`)
}

func TestEncoderHasTheShapeAskedFor(t *testing.T) {
	out := filepath.Join(t.TempDir(), "encoder.onnx")
	args := []string{"encoder", "-o", out, "-layers", "2", "-hidden", "24", "-heads", "3", "-ffn", "48", "-vocab", "100"}
	if err := run(t.Context(), args, io.Discard); err != nil {
		t.Fatal(err)
	}
	s, err := onnxfile.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Outputs[0].Type.String(); got != "float32[batch,24]" || s.Ops[""]["Softmax"] != 2 {
		t.Errorf("output is %s with %d attentions, want float32[batch,24] with 2", got, s.Ops[""]["Softmax"])
	}
}
