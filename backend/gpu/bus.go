package gpu

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "bus.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// busOf asks CUDA on which PCI bus the GPU with a number is.
func busOf(library string, number int) (string, error) {
	if library == "" {
		library = "libcuda.so.1"
	}
	name := C.CString(library)
	defer C.free(unsafe.Pointer(name))
	var bus [32]C.char // "0000:01:00.0"
	switch code := C.gn_bus(name, C.int(number), &bus[0], C.int(len(bus))); code {
	case 0:
		return C.GoString(&bus[0]), nil
	case -1:
		return "", fmt.Errorf("cannot load %s", library)
	default:
		return "", fmt.Errorf("CUDA error %d for device %d", int(code), number)
	}
}
