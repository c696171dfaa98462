package hop

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// crew is the workers of one connection: at most one a stream, reused last in first out, so that few are busy and their stacks
// stay warm. Guarded by the link's mutex.
type crew struct {
	idle      []*worker
	least     int // fewest idle since the last trim
	dismissed bool
	working   sync.WaitGroup
}

// worker is one goroutine that runs handlers.
type worker struct{ tasks chan *task }

// dispatch hands a complete request to a worker. With the lock held.
func (c *serverConn) dispatch(t *task) {
	t.phase = phaseRunning
	c.running++
	if n := len(c.crew.idle); n > 0 {
		w := c.crew.idle[n-1]
		c.crew.idle = c.crew.idle[:n-1]
		c.crew.least = min(c.crew.least, n-1)
		w.tasks <- t // it is idle, so there is room
		return
	}
	c.crew.least = 0
	w := &worker{tasks: make(chan *task, 1)}
	w.tasks <- t
	c.crew.working.Go(func() { c.work(w) })
}

// work runs handlers until the worker is let go.
func (c *serverConn) work(w *worker) {
	for t := range w.tasks {
		c.reply(t, c.run(t))
		<-t.st.wake
		if t.resp.Sent != nil {
			t.resp.Sent()
		}
		c.server.recycle(t)
		c.link.mu.Lock()
		if c.crew.dismissed {
			c.link.mu.Unlock()
			return
		}
		c.crew.idle = append(c.crew.idle, w)
		c.link.mu.Unlock()
	}
}

// run calls the handler and returns why its answer cannot be sent, "" when it can.
func (c *serverConn) run(t *task) (fault string) {
	defer func() {
		if p := recover(); p != nil {
			fault = "the handler panicked"
			c.server.report(fmt.Errorf("handler panicked on %q: %v\n%s", t.req.Path, p, debug.Stack()))
		}
	}()
	if t.st.in.mem.buf != nil {
		t.req.Body = t.st.in.mem.join(c.server.cfg.Budget.budget)
	}
	c.server.handler(t.ctx, &t.req, &t.resp)
	if t.resp.Declined && t.req.conditional() {
		return ""
	}
	if t.resp.Declined {
		return "the handler declined a request that has no condition"
	}
	if why := t.resp.headLimit(); why != "" {
		return why
	}
	return t.resp.forbidden()
}

// reply sends the answer, or the word that there is none.
func (c *serverConn) reply(t *task, fault string) {
	l, st := &c.link, &t.st
	l.mu.Lock()
	t.phase = phaseReplying
	c.running--
	late := t.ctx.Err() == context.DeadlineExceeded //nolint:errorlint // never wrapped
	t.ctx.end(context.Canceled)
	switch {
	case l.ended || l.severed:
		l.streams.remove(st.id)
		st.finish(nil)
	case t.canceled:
		c.drop(st, 0, ReasonCanceled, "")
	case fault == "" && t.resp.Declined:
		c.decline(st, t.resp.Node)
	case fault != "" && t.resp.Status == 0 && late:
		c.drop(st, 0, ReasonDeadline, "")
	case fault != "":
		c.drop(st, 0, ReasonFailed, fault)
	case int64(len(t.resp.Body)) > l.peer.maxBody:
		c.drop(st, 0, ReasonTooLarge, fmt.Sprintf("response body of %d bytes", len(t.resp.Body)))
	default:
		l.send(st, t.resp.Body)
	}
	writer := l.claim()
	l.mu.Unlock()
	if writer {
		l.write()
	}
}

// trim lets those go that were idle all the time since it last looked. With the lock held.
func (c *crew) trim() {
	n := min(c.least, len(c.idle))
	for _, w := range c.idle[:n] {
		close(w.tasks)
	}
	c.idle = append(c.idle[:0], c.idle[n:]...)
	c.least = len(c.idle)
}

// dismiss lets all go and waits for them.
func (c *crew) dismiss(mu *sync.Mutex) {
	mu.Lock()
	c.dismissed = true
	for _, w := range c.idle {
		close(w.tasks)
	}
	c.idle = nil
	mu.Unlock()
	c.working.Wait()
}
