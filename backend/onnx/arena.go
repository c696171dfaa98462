package onnx

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"ganglion/backend"
)

// arena is a look at the arena that all sessions share in host memory.
type arena struct {
	library library
	limit   int64

	mu        sync.Mutex
	allocator *C.OrtAllocator // nil when closed
}

// newArena looks through session s, which is one of those that share it.
func newArena(l library, s *session, limit int64) (*arena, error) {
	a := &arena{library: l, limit: limit}
	name := C.CString("Cpu")
	defer C.free(unsafe.Pointer(name))
	if err := l.take(C.gn_new_allocator(l.ort, s.handle, name, 0, &a.allocator)); err != nil {
		return nil, fmt.Errorf("cannot look at the memory of runs: %w", err)
	}
	return a, nil
}

// Arena tells what the tensors of runs take in host memory; all is 0 without a bound.
func (e *Engine) Arena() (stats backend.Arena) {
	a := e.arena
	if a == nil {
		return stats
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.allocator == nil {
		return stats
	}
	var used, held C.int64_t
	C.gn_stats(a.library.ort, a.allocator, &used, &held)
	return backend.Arena{Used: int64(used), Held: int64(held), Limit: a.limit}
}

// close ends the look. A nil arena has nothing to close.
func (a *arena) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	C.gn_free_allocator(a.library.ort, a.allocator)
	a.allocator = nil
}
