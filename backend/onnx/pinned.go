package onnx

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"ganglion/backend/scheduler"
)

// cudaPinned is the runtime's name for host memory that a GPU reads and writes by itself.
const cudaPinned = "CudaPinned"

// pinned is page-locked host memory. A GPU copies from and to it by itself; with any other, the driver has the CPU copy it to
// memory of that kind first, and the run waits.
//
// The runtime need not be told which memory a tensor lies in: the driver knows.
type pinned struct {
	library library

	mu        sync.Mutex
	allocator *C.OrtAllocator
	live      map[*byte]struct{} // what it has given out
	closed    bool
}

var _ scheduler.Memory = (*pinned)(nil)

// newPinned makes memory of the given kind, by the runtime's name, with what session s has for it.
func newPinned(l library, s *session, kind string) (*pinned, error) {
	p := &pinned{library: l, live: map[*byte]struct{}{}}
	name := C.CString(kind)
	defer C.free(unsafe.Pointer(name))
	if err := l.take(C.gn_new_allocator(l.ort, s.handle, name, C.int(s.device.gpu), &p.allocator)); err != nil {
		return nil, fmt.Errorf("no page-locked memory on %s: %w", s.device, err)
	}
	return p, nil
}

// Alloc returns memory of Go's heap when there is no other: it only makes runs slower.
func (p *pinned) Alloc(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var data *byte
	if !p.closed {
		data = (*byte)(C.gn_alloc(p.library.ort, p.allocator, C.size_t(size)))
	}
	if data == nil {
		return make([]byte, max(size, leastAligned))
	}
	p.live[data] = struct{}{}
	return unsafe.Slice(data, max(size, 1))
}

// Free takes memory back.
func (p *pinned) Free(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := unsafe.SliceData(data)
	if _, ours := p.live[start]; !ours {
		return // Go's
	}
	delete(p.live, start)
	C.gn_free(p.library.ort, p.allocator, unsafe.Pointer(start))
	p.release()
}

// close makes the memory end with the last of its parts: answers may be read from it after the model is gone. A nil pinned
// has nothing to close.
func (p *pinned) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.release()
}

// release frees the allocator when nobody uses it any more.
func (p *pinned) release() {
	if p.closed && len(p.live) == 0 && p.allocator != nil {
		C.gn_free_allocator(p.library.ort, p.allocator)
		p.allocator = nil
	}
}
