package onnx

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
)

// TestFunctionTable has the C compiler hold our list of the runtime's functions against the header in the binding's
// module: the place of each in the table, and its signature.
func TestFunctionTable(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go")
	binding, err := list.Output()
	if err != nil {
		t.Fatalf("cannot find the binding's folder: %v", err)
	}
	const check = `
#include "onnxruntime_c_api.h"
#include "ort.h"
#define CHECK(name, place, result, parameters) \
	_Static_assert(offsetof(OrtApi, name) == place * sizeof(void *), #name " is elsewhere in the table"); \
	result(*check_##name(const OrtApi *api)) parameters { return api->name; }
GN_ORT_FUNCTIONS(CHECK)
_Static_assert(GN_API_VERSION == ORT_API_VERSION, "the binding asks for another version of the table");
`
	source := filepath.Join(t.TempDir(), "check.c")
	if err := os.WriteFile(source, []byte(check), 0o644); err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(onnxtest.Root(t), "backend", "onnx")
	compile := exec.CommandContext(t.Context(), compiler(t), "-fsyntax-only", "-Werror=incompatible-pointer-types",
		"-I", here, "-I", strings.TrimSpace(string(binding)), source)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// compiler is the C compiler that cgo uses.
func compiler(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[0]
}
