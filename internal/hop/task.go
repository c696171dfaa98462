package hop

// keepBody is the largest response buffer that a pooled task keeps: an answer of the size of the usual window.
const keepBody = 1 << 20

// task is one stream on the server's side and the context of its handler. Guarded by the link's mutex, except that the handler has
// req, resp and the request's memory while phase is running.
type task struct {
	st       stream
	conn     *serverConn
	req      Request
	resp     Response
	buf      []byte // the request's head, and its body when that is small
	phase    phase
	canceled bool // the client has, and waits for the last word
	ctx      taskContext
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
		t.st.task, t.st.wake, t.ctx.task = t, make(chan struct{}, 1), t
	}
	t.conn, t.phase, t.canceled = c, phaseReceiving, false
	t.ctx.reset()
	t.req.Reset()
	t.resp.Reset()
	return t
}

// recycle puts a task back that nobody uses any more, and its body's memory.
func (s *Server) recycle(t *task) {
	s.cfg.Budget.release(t.st.in.reserved)
	t.st.in.mem.drop(s.cfg.Budget.budget)
	t.st.in = incoming{}
	t.st.out.body = nil
	t.conn = nil
	if cap(t.resp.Body) > keepBody {
		t.resp.Body = nil
	}
	s.tasks.Put(t)
}
