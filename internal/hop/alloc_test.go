//go:build !race

package hop

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A small exchange allocates nothing on either side once both have warmed up: client and server are in this process.
func TestAllocsPerSmallExchange(t *testing.T) {
	p := loopback(t, echo)
	var x Exchange
	post(&x, smallRequest)
	x.Request.RequestID = []byte("0123456789abcdef")
	x.Request.Trace = Trace{ID: [16]byte{1}, Parent: [8]byte{2}}
	x.Request.Headers = append(x.Request.Headers, Header{[]byte("x-tenant"), []byte("a")})
	once := func() {
		x.Request.Deadline = time.Now().Add(time.Minute)
		if err := p.conn.Do(&x); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		once()
	}
	if n := testing.AllocsPerRun(2000, once); n != 0 {
		t.Errorf("%v allocations an exchange, want 0", n)
	}
}

// The same with many callers at once, counted over all of them.
func TestAllocsWithManyCallers(t *testing.T) {
	p := loopback(t, echo)
	const callers, each = 64, 300
	all := func() {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				var x Exchange
				post(&x, smallRequest)
				for range each {
					if err := p.conn.Do(&x); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	all()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	all()
	runtime.ReadMemStats(&after)
	// Each caller brings its exchange, and the server's pool may lose tasks to a collection.
	if n := after.Mallocs - before.Mallocs; n > callers*20+callers*each/50 {
		t.Errorf("%d allocations in %d exchanges", n, callers*each)
	}
}

// Large bodies live in pooled memory: an exchange of 600 KB allocates bookkeeping at most.
func TestAllocsPerLargeExchange(t *testing.T) {
	p := loopback(t, func(_ context.Context, _ *Request, resp *Response) { resp.Status = 200 })
	var x Exchange
	post(&x, make([]byte, bulk))
	once := func() {
		if err := p.conn.Do(&x); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		once()
	}
	if n := testing.AllocsPerRun(50, once); n > 3 {
		t.Errorf("%v allocations an exchange of 600 KB, want the pool's slice headers at most", n)
	}
}
