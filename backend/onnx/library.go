package onnx

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"
)

// library is the loaded ONNX Runtime.
type library struct{ ort *C.gn_ort }

// openLibrary loads the library at path, which must be absolute so that the loader does not search for it, and returns
// the version it calls itself.
func openLibrary(path string) (library, string, error) {
	if !filepath.IsAbs(path) {
		return library{}, "", fmt.Errorf("onnx runtime library %q: the path must be absolute", path)
	}
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var l library
	var cVersion *C.char
	result := C.gn_open(cPath, &l.ort, &cVersion)
	version := C.GoString(cVersion)
	C.free(unsafe.Pointer(cVersion))
	switch result {
	case C.GN_OPEN:
		return l, version, nil
	case C.GN_NOT_LOADED:
		return library{}, "", fmt.Errorf("cannot load the onnx runtime library: %s", version)
	case C.GN_NOT_ORT:
		return library{}, "", fmt.Errorf("%q is not an onnx runtime library", path)
	case C.GN_TOO_OLD:
		return library{}, "", fmt.Errorf("onnx runtime %s at %q is too old: 1.%d or newer is needed", version, path, C.GN_API_VERSION)
	default:
		return library{}, "", fmt.Errorf("onnx runtime %s at %q does not start: out of memory", version, path)
	}
}

func (l library) close() { C.gn_close(l.ort) }

// FindLibrary returns the absolute path of the ONNX Runtime library: $ORT_LIBRARY if set, else lib/ beside the
// executable. The error says how to get one.
func FindLibrary() (string, error) {
	if path := os.Getenv("ORT_LIBRARY"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("ORT_LIBRARY names no library: %w", err)
		}
		return filepath.Abs(path)
	}
	executable, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot tell where this program is, set ORT_LIBRARY: %w", err)
	}
	if resolved, err := filepath.EvalSymlinks(executable); err == nil {
		executable = resolved // a link in /usr/local/bin leads to where the library is
	}
	path := filepath.Join(filepath.Dir(executable), "lib", LibraryFile())
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no onnx runtime library at %q: fetch it with `make library`, or set ORT_LIBRARY=/path/to/%s (1.%d or newer)",
			path, LibraryFile(), C.GN_API_VERSION)
	}
	return path, nil
}

// LibraryFile is what the library's file is called on this system.
func LibraryFile() string {
	if runtime.GOOS == "darwin" {
		return "libonnxruntime.dylib"
	}
	return "libonnxruntime.so"
}
