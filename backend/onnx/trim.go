package onnx

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// static void gn_settle(int mmap, int trim) { mallopt(M_MMAP_THRESHOLD, mmap); mallopt(M_TRIM_THRESHOLD, trim); }
// static void gn_trim(void) { malloc_trim(0); }
// #else
// static void gn_settle(int mmap, int trim) {}
// static void gn_trim(void) {}
// #endif
import "C"

// The runtime loads models into malloc's memory, on whatever thread, and glibc keeps what was freed: it raises the size from
// which it asks the system for memory of its own, up to 32 MiB, and keeps an arena for each of many threads, whose top it
// gives back last. 300 rounds of loading and unloading 16 MiB of weights left a process of 50 MiB anywhere between 48 and
// 131 MiB, and took twice the time of what is here, which leaves it at 54.
const (
	mmapThreshold = 128 << 10 // glibc's own at the start; setting it keeps it there
	trimThreshold = 1 << 20   // of each arena: little beside a model, and above what runs allocate and free all the time
)

// settleMalloc keeps malloc from adapting itself to large models. It holds for the whole process.
func settleMalloc() { C.gn_settle(mmapThreshold, trimThreshold) }

// trim gives what has been freed between what is in use back to the system too, as after the end of a model of many small
// parts: 20 rounds of one of 3000 operators left 386 MiB without, and 54 with it. It takes about a millisecond.
func trim() { C.gn_trim() }
