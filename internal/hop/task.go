package hop

import "math/bits"

// keepBody is the largest answer for which a pooled task keeps memory: one of the size of the usual window.
const keepBody = 1 << 20

// task is one stream on the server's side and the context of its handler. Guarded by the link's mutex, except that the handler has
// req, resp and the request's memory while phase is running.
type task struct {
	st       stream
	conn     *serverConn
	req      Request
	resp     Response
	buf      []byte   // the request's head, and its body when that is small
	answer   []byte   // lent to the handler as resp.Body
	headers  []Header // lent to the handler as resp.Headers
	phase    phase
	canceled bool // the client has, and waits for the last word
	ctx      *taskContext
}

type phase uint8

const (
	phaseReceiving phase = iota // the request's body is not complete
	phaseRunning                // a worker has it
	phaseReplying               // the answer is being sent
)

// newTask takes a task out of the pool.
func (s *Server) newTask(c *serverConn) *task {
	t, ok := s.tasks.Get().(*task)
	if !ok {
		t = &task{}
		t.st.task, t.st.wake, t.ctx = t, make(chan struct{}, 1), &taskContext{task: t}
	}
	t.conn, t.phase, t.canceled = c, phaseReceiving, false
	t.ctx = t.ctx.renewed()
	t.req.Reset()
	t.resp = Response{InferenceHeaderLength: NoHeaderLength, Headers: t.headers[:0], Body: t.answer[:0]}
	return t
}

// recycle puts a task back that nobody uses any more, and its body's memory.
func (s *Server) recycle(t *task) {
	s.cfg.Budget.release(t.st.in.reserved)
	t.st.in.mem.drop(s.cfg.Budget.budget)
	t.st.in = incoming{}
	t.st.out.body = nil
	t.conn = nil
	t.learn()
	s.tasks.Put(t)
}

// learn makes room for answers like the last one. What the handler left in resp may be its own memory, so that is never lent to
// another handler; if it does not lie where it was lent, the next one gets as much room of the task's own. The whole of the
// last one's memory counts: encoders ask for more room than they then need.
func (t *task) learn() {
	if n := cap(t.resp.Body); n > cap(t.answer) && n <= keepBody {
		t.answer = make([]byte, 0, 1<<bits.Len(uint(n-1)))
	}
	if n := len(t.resp.Headers); n > cap(t.headers) && n <= maxHeaders {
		t.headers = make([]Header, 0, n)
	}
	clear(t.headers[:cap(t.headers)]) // their strings are the handler's
	t.resp = Response{}
}
