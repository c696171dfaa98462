package onnx

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/backend/onnx/onnxtest"
)

// TestUnusableLibraries: each is one clear line.
func TestUnusableLibraries(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, want string }{
		{"relative", "libonnxruntime.so", "the path must be absolute"},
		{"missing", filepath.Join(dir, "none.so"), "cannot load the onnx runtime library"},
		{"no library", text, "cannot load the onnx runtime library"},
		{"another library", build(t, dir, "other", `int answer(void) { return 42; }`), "is not an onnx runtime library"},
		{"too old", build(t, dir, "old", fakeRuntime("1.22.0")), "onnx runtime 1.22.0"},
		{"version without sense", build(t, dir, "odd", fakeRuntime("nightly")), "is too old: 1.24 or newer is needed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(Config{Library: test.path, Device: "cpu"})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line that says %q", err, test.want)
			}
		})
	}
}

// fakeRuntime is a library that calls itself ONNX Runtime of some version and has no functions to offer.
func fakeRuntime(version string) string {
	return `
static const void *get_api(unsigned version) { (void)version; return 0; }
static const char *get_version(void) { return "` + version + `"; }
static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {get_api, get_version};
const void *OrtGetApiBase(void) { return &base; }
`
}

func build(t *testing.T, dir, name, source string) string {
	t.Helper()
	file, library := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".so")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), compiler(t), "-shared", "-fPIC", "-o", library, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return library
}

// TestFindLibrary: the environment names one, or the error says how to get one.
func TestFindLibrary(t *testing.T) {
	library := onnxtest.Library(t)
	t.Setenv("ORT_LIBRARY", library)
	if got, err := FindLibrary(); err != nil || got != library {
		t.Errorf("got %q, %v, want %q", got, err, library)
	}
	t.Setenv("ORT_LIBRARY", filepath.Join(t.TempDir(), "none.so"))
	if _, err := FindLibrary(); err == nil || !strings.Contains(err.Error(), "ORT_LIBRARY names no library") {
		t.Errorf("got %v", err)
	}
	t.Setenv("ORT_LIBRARY", "")
	if _, err := FindLibrary(); err == nil || !strings.Contains(err.Error(), "make library") {
		t.Errorf("got %v, want how to get the library (the test binary has none beside it)", err)
	}
}
