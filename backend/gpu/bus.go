package gpu

// #cgo linux LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stddef.h>
// #include <stdlib.h>
//
// // gn_bus writes the PCI bus of the GPU that CUDA gives a number into bus, and returns CUDA's error code, or -1 when the
// // library, or a function of it, is not there. The library stays loaded, as the engine has it loaded too.
// static int gn_bus(const char *library, int number, char *bus, int size) {
// 	void *cuda = dlopen(library, RTLD_LAZY);
// 	if (cuda == NULL) return -1;
// 	int (*init)(unsigned flags) = (int (*)(unsigned))dlsym(cuda, "cuInit");
// 	int (*get)(int *device, int number) = (int (*)(int *, int))dlsym(cuda, "cuDeviceGet");
// 	int (*name)(char *bus, int size, int device) = (int (*)(char *, int, int))dlsym(cuda, "cuDeviceGetPCIBusId");
// 	if (init == NULL || get == NULL || name == NULL) return -1;
// 	int device = 0;
// 	int code = init(0);
// 	if (code == 0) code = get(&device, number);
// 	if (code == 0) code = name(bus, size, device);
// 	return code;
// }
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
