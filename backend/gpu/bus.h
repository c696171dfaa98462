// The one question that is asked of CUDA's driver library.

#ifndef GANGLION_BUS_H
#define GANGLION_BUS_H

// gn_bus writes the PCI bus of the GPU that CUDA gives a number into bus, and returns CUDA's error code, or -1 when the
// library, or a function of it, is not there. The library stays loaded, as the engine has it loaded too.
int gn_bus(const char *library, int number, char *bus, int size);

#endif
