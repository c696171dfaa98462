package hop

import (
	"math/bits"
	"sync"
)

const (
	// keepBody is the largest response buffer that a pooled task keeps: the size of the usual window.
	keepBody = 1 << 20

	smallestClass = 16 // the exponent: 64 KiB
	classes       = 16 // up to 2 GiB; larger bodies are not pooled
)

// newTask takes a task out of the pool.
func (s *Server) newTask(c *serverConn) *task {
	v, ok := s.tasks.Get().(*task)
	if !ok {
		v = &task{}
		v.st.task, v.st.wake, v.ctx.task = v, make(chan struct{}, 1), v
	}
	v.conn, v.phase, v.canceled = c, phaseReceiving, false
	v.ctx.reset()
	v.req.Reset()
	v.resp.Reset()
	return v
}

// recycle puts a task back that nobody uses any more, and its body's memory.
func (s *Server) recycle(v *task) {
	in := &v.st.in
	s.cfg.Budget.release(in.reserved)
	s.bodies.put(in.buf)
	*in = incoming{}
	v.st.out.body = nil
	v.conn = nil
	if cap(v.resp.Body) > keepBody {
		v.resp.Body = nil
	}
	s.tasks.Put(v)
}

// bodies pools the memory of large request bodies, by powers of two, for as long as the garbage collector leaves it there.
type bodies struct{ class [classes]sync.Pool }

// get returns an empty slice with room for size bytes.
func (p *bodies) get(size int) []byte {
	i := max(bits.Len(uint(max(size, 1)-1))-smallestClass, 0)
	if i >= classes {
		return make([]byte, 0, size)
	}
	if v, ok := p.class[i].Get().(*[]byte); ok {
		return (*v)[:0]
	}
	return make([]byte, 0, 1<<(i+smallestClass))
}

// put takes a slice back that came from get.
func (p *bodies) put(b []byte) {
	i := bits.Len(uint(cap(b))) - 1 - smallestClass
	if i < 0 || i >= classes || cap(b) != 1<<(i+smallestClass) {
		return
	}
	b = b[:0]
	p.class[i].Put(&b)
}
