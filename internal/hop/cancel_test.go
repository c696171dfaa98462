package hop

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// A cancel frees the caller at once, ends the handler's context, and gives the stream back once the node has confirmed.
func TestCancelReachesTheHandler(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	release := make(chan struct{})
	p := loopback(t, func(ctx context.Context, _ *Request, resp *Response) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		<-release
		resp.Status = 200
	})
	var x Exchange
	done := do(p.conn, post(&x, []byte("x")))
	within(t, "the handler", began)
	x.Cancel()
	err := within(t, "the cancelled exchange", done)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeCanceled || !e.Begun {
		t.Errorf("Do returned %v, want canceled and begun", err)
	}
	if err := within(t, "the end of the handler's context", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
	if open := p.conn.Stats().Open; open != 1 {
		t.Errorf("%d exchanges are open while the handler has not returned, want 1", open)
	}
	close(release)
	eventually(t, "the node's confirmation", func() bool { return p.conn.Stats().Open == 0 })
}

func TestCancelHoldsUntilReset(t *testing.T) {
	p := loopback(t, echo)
	var x Exchange
	post(&x, []byte("x"))
	x.Cancel()
	for range 2 {
		if err := p.conn.Do(&x); codeIn(t, err) != CodeCanceled {
			t.Fatalf("after Cancel: got %v", err)
		}
	}
	if err := p.conn.Do(post(&x, []byte("x"))); err != nil {
		t.Errorf("after Reset: got %v", err)
	}
	x.Cancel() // nothing runs
	if err := p.conn.Do(post(&x, []byte("x"))); err != nil {
		t.Errorf("after Reset: got %v", err)
	}
}

// Cancel and the answer race; whoever comes first, Do returns once, and the exchange can be used again.
func TestCancelRacesWithTheAnswer(t *testing.T) {
	p := loopback(t, echo)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var x Exchange
			for i := range 300 {
				post(&x, noise(uint64(i), i*150))
				var canceled sync.WaitGroup
				canceled.Go(x.Cancel)
				err := p.conn.Do(&x)
				canceled.Wait()
				if err != nil && codeIn(t, err) != CodeCanceled {
					t.Errorf("got %v, want an answer or canceled", err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all streams to be confirmed", func() bool { return p.conn.Stats().Open == 0 })
}

// A large request is taken back in the middle: the node drops what it has, and the caller's memory is its own again.
func TestCancelDuringTheRequest(t *testing.T) {
	theirs := usual()
	theirs.window = 1 << 20
	c, p, _ := serverPeer(t, DefaultConfig(), theirs)
	body := make([]byte, 8<<20)
	var x Exchange
	done := do(c, post(&x, body))
	p.want(kindRequest, 1)
	p.want(kindChunk, 1)
	x.Cancel()
	err := within(t, "the cancelled exchange", done)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeCanceled || e.Begun {
		t.Errorf("got %v, want canceled and not begun: the request was not complete", err)
	}
	clear(body) // the race detector watches
	for {
		h, payload := p.read()
		if h.kind == kindCancel {
			if reason, _, _ := parseCancel(payload); reason != ReasonCanceled || h.id != 1 {
				t.Errorf("the node was told %v on stream %d", reason, h.id)
			}
			break
		}
		if h.ends() {
			t.Fatal("the cancelled request was completed")
		}
	}
	p.write(appendCancel(nil, 1, flagNotBegun, ReasonCanceled, ""))
	eventually(t, "the stream to be closed", func() bool { return c.Stats().Open == 0 })
}

// A cancelled answer that is on its way is read over.
func TestCancelDuringTheAnswer(t *testing.T) {
	big := make([]byte, 16<<20)
	p := loopback(t, func(_ context.Context, _ *Request, resp *Response) { resp.Status, resp.Body = 200, big })
	var x Exchange
	for range 20 {
		post(&x, nil)
		x.Streamed = true
		if err := p.conn.Do(&x); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		x.Close()
		post(&x, nil)
		done := do(p.conn, &x)
		x.Cancel()
		if err := within(t, "the cancelled exchange", done); err != nil && codeIn(t, err) != CodeCanceled {
			t.Errorf("got %v", err)
		}
	}
	eventually(t, "all streams to be closed", func() bool { return p.conn.Stats().Open == 0 })
	if left := p.conn.link.cfg.Budget.Left(); left != 256<<20 {
		t.Errorf("%d bytes of the budget are left, want all of it", left)
	}
}

// The node gets the deadline as time that is left, its handler as a context; the caller is freed in time whatever the node does.
func TestDeadlinesArePassedOn(t *testing.T) {
	const limit = time.Second // enough to get to the handler
	left, ended := make(chan time.Duration, 1), make(chan error, 1)
	p := loopback(t, func(ctx context.Context, req *Request, _ *Response) {
		at, ok := ctx.Deadline()
		if !ok || !at.Equal(req.Deadline) {
			t.Errorf("context has deadline %v %v, the request %v", at, ok, req.Deadline)
		}
		left <- time.Until(at)
		<-ctx.Done()
		ended <- ctx.Err()
	})
	var x Exchange
	post(&x, []byte("x"))
	began := time.Now()
	x.Request.Deadline = began.Add(limit)
	err := p.conn.Do(&x)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeDeadline || !e.Begun {
		t.Errorf("got %v, want deadline and begun", err)
	}
	if took := time.Since(began); took < limit || took > limit+5*time.Second {
		t.Errorf("the caller was freed after %v, the deadline was %v", took, limit)
	}
	if d := within(t, "the handler", left); d > limit {
		t.Errorf("the handler has %v left of %v", d, limit)
	}
	if err := within(t, "the end of the handler's context", ended); err == nil {
		t.Error("the handler's context did not end")
	}
}

func TestDeadlinesThatHavePassed(t *testing.T) {
	c, p, _ := serverPeer(t, DefaultConfig(), usual())
	var x Exchange
	post(&x, nil)
	x.Request.Deadline = time.Now().Add(-time.Second)
	err := c.Do(&x)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeDeadline || e.Begun {
		t.Errorf("got %v, want deadline and not begun", err)
	}
	do(c, post(&x, nil)) // the next frame is not the late one's
	p.want(kindRequest, 1)
	p.write(responseFrame(1, ""))
}

// Deadlines of many exchanges are kept although there is one timer: each caller is freed by its own.
func TestEachDeadlineHolds(t *testing.T) {
	p := loopback(t, func(ctx context.Context, _ *Request, _ *Response) { <-ctx.Done() })
	var wg sync.WaitGroup
	began := time.Now()
	for i := range 60 {
		limit := time.Duration((i*37)%60+1) * 5 * time.Millisecond
		wg.Go(func() {
			var x Exchange
			post(&x, nil)
			x.Request.Deadline = began.Add(limit)
			if err := p.conn.Do(&x); codeIn(t, err) != CodeDeadline {
				t.Errorf("got %v, want deadline", err)
			}
			if took := time.Since(began); took < limit || took > limit+5*time.Second {
				t.Errorf("freed after %v, the deadline was %v", took, limit)
			}
		})
	}
	wg.Wait()
}

// A cancel that comes while the last chunk of the answer is being read: that chunk is the node's last word.
func TestCancelDuringTheLastChunk(t *testing.T) {
	c, p, _ := serverPeer(t, DefaultConfig(), usual())
	var x Exchange
	done := do(c, post(&x, nil))
	p.want(kindRequest, 1)
	chunk := frame(kindChunk, flagEnd, 1, make([]byte, 50_000))
	p.write(append(responseHeadFrame(1, 50_000), chunk[:20_000]...))
	eventually(t, "the reader to be in the middle of the chunk", func() bool {
		c.link.mu.Lock()
		defer c.link.mu.Unlock()
		e := c.link.streams.find(1)
		return e.st.in.receiving
	})
	x.Cancel()
	if err := within(t, "the cancelled exchange", done); codeIn(t, err) != CodeCanceled {
		t.Errorf("got %v", err)
	}
	p.write(chunk[20_000:])
	eventually(t, "the stream to be closed", func() bool { return c.Stats().Open == 0 })
}
