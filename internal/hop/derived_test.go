package hop

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A handler may derive contexts from its own. What waits for those may look at the handler's context when the request is
// long over, and must find it ended, not the next request's.
func TestDerivedContextsOutliveTheRequest(t *testing.T) {
	p := loopback(t, func(ctx context.Context, req *Request, resp *Response) {
		derived, cancel := context.WithTimeout(ctx, time.Minute)
		cancel()
		<-derived.Done()
		echo(ctx, req, resp)
	})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			var x Exchange
			for range 2000 {
				if err := p.conn.Do(post(&x, []byte("body"))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}

// A context that has ended stays so, and keeps its reason, when its task serves another request.
func TestContextsAreNotRevived(t *testing.T) {
	var kept context.Context // of the first request; they come one after the other
	p := loopback(t, func(ctx context.Context, req *Request, resp *Response) {
		switch {
		case kept == nil:
			_ = ctx.Done()
			kept = ctx
		case kept.Err() == nil:
			t.Error("the context of a request that is over lives again")
		}
		echo(ctx, req, resp)
	})
	var x Exchange
	for range 100 {
		if err := p.conn.Do(post(&x, []byte("body"))); err != nil {
			t.Fatal(err)
		}
	}
}
