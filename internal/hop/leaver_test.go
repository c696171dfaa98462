package hop

import (
	"context"
	"testing"
	"time"
)

// goneTo tells a channel that the client has left.
type goneTo chan struct{}

func (g goneTo) ClientGone() { g <- struct{}{} }

// A handler that watches is told that nobody waits for it, as often as that happens: once.
func TestLeaverIsTold(t *testing.T) {
	running, gone := make(chan struct{}), make(goneTo, 2)
	p := loopback(t, func(ctx context.Context, _ *Request, resp *Response) {
		Watch(ctx, gone)
		close(running)
		<-ctx.Done()
		Unwatch(ctx)
		late := make(goneTo, 1)
		Watch(ctx, late)
		Unwatch(ctx)
		<-late // at once: it has ended already
		resp.Status = 200
	})
	var x Exchange
	post(&x, []byte("body"))
	go func() {
		<-running
		x.Cancel()
	}()
	if code := codeIn(t, p.conn.Do(&x)); code != CodeCanceled {
		t.Errorf("got %v", code)
	}
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatal("the handler was not told")
	}
	if len(gone) > 0 {
		t.Error("the handler was told twice")
	}
}

// A handler that has stopped watching is not told that its answer has been given.
func TestLeaverIsNotToldOfTheEnd(t *testing.T) {
	gone := make(goneTo, 1)
	p := loopback(t, func(ctx context.Context, req *Request, resp *Response) {
		Watch(ctx, gone)
		echo(ctx, req, resp)
		Unwatch(ctx)
	})
	var x Exchange
	for range 2 {
		if err := p.conn.Do(post(&x, []byte("body"))); err != nil {
			t.Fatal(err)
		}
	}
	if len(gone) > 0 {
		t.Error("the handler was told that the client has left")
	}
}

// Sent is called once for each answer, also for one that nobody has waited for.
func TestSentIsCalledForEveryAnswer(t *testing.T) {
	running, sent := make(chan struct{}, 1), make(chan struct{}, 3)
	p := loopback(t, func(ctx context.Context, req *Request, resp *Response) {
		resp.Sent = func() { sent <- struct{}{} }
		echo(ctx, req, resp)
		if string(req.Body) == "wait" {
			running <- struct{}{}
			<-ctx.Done()
		}
	})
	var x Exchange
	if err := p.conn.Do(post(&x, make([]byte, 3<<20))); err != nil {
		t.Fatal(err)
	}
	<-sent
	post(&x, []byte("wait"))
	go func() {
		<-running
		x.Cancel()
	}()
	if code := codeIn(t, p.conn.Do(&x)); code != CodeCanceled {
		t.Errorf("got %v", code)
	}
	<-sent
	if err := p.conn.Do(post(&x, []byte("again"))); err != nil {
		t.Fatal(err)
	}
	<-sent
	if len(sent) > 0 {
		t.Error("Sent was called twice for one answer")
	}
}
