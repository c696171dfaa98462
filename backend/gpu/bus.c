#include "bus.h"

#include <dlfcn.h>
#include <stddef.h>

int gn_bus(const char *library, int number, char *bus, int size) {
	void *cuda = dlopen(library, RTLD_LAZY);
	if (cuda == NULL) return -1;
	int (*init)(unsigned flags) = (int (*)(unsigned))dlsym(cuda, "cuInit");
	int (*get)(int *device, int number) = (int (*)(int *, int))dlsym(cuda, "cuDeviceGet");
	int (*name)(char *bus, int size, int device) = (int (*)(char *, int, int))dlsym(cuda, "cuDeviceGetPCIBusId");
	if (init == NULL || get == NULL || name == NULL) return -1;
	int device = 0;
	int code = init(0);
	if (code == 0) code = get(&device, number);
	if (code == 0) code = name(bus, size, device);
	return code;
}
