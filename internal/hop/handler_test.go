package hop

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a request says arrives as it was sent, and so does the answer.
func TestEverythingIsCarried(t *testing.T) {
	trace, ok := ParseTraceparent([]byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	if !ok {
		t.Fatal("the recommendation's own example was refused")
	}
	p := loopback(t, func(_ context.Context, req *Request, resp *Response) {
		seen := []string{
			req.Method.String(), string(req.Path), string(req.ContentType), string(req.RequestID), string(req.TraceState),
			string(req.Trace.AppendTraceparent(nil)), string(req.Headers[0].Name), string(req.Headers[1].Value), string(req.Body),
		}
		resp.Status = 201
		resp.ContentType = []byte("application/octet-stream")
		resp.InferenceHeaderLength = req.InferenceHeaderLength
		resp.Headers = append(resp.Headers, Header{[]byte("x-version"), []byte("3")})
		resp.Node = Load{Known: true, Queued: 4, InFlight: 5, Wait: 6 * time.Millisecond}
		resp.Model = Load{Known: true, Queued: 1, InFlight: 2, Wait: 3 * time.Microsecond, Batch: 16}
		resp.Body = append(resp.Body, strings.Join(seen, "|")...)
	})
	var x Exchange
	x.Reset()
	x.Request = Request{
		Method: MethodQuery, Path: []byte("/v2/models/m/infer?a=b"), ContentType: []byte("application/json"), InferenceHeaderLength: 4,
		RequestID: []byte("id-7"), Trace: trace, TraceState: []byte("vendor=1"), Body: []byte("body"),
		Headers: []Header{{[]byte("authorization"), nil}, {[]byte("x-tenant"), []byte("blue")}},
	}
	if err := p.conn.Do(&x); err != nil {
		t.Fatal(err)
	}
	r := &x.Response
	want := "QUERY|/v2/models/m/infer?a=b|application/json|id-7|vendor=1|" +
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01|authorization|blue|body"
	if string(r.Body) != want {
		t.Errorf("the handler saw\n%s, want\n%s", r.Body, want)
	}
	if r.Status != 201 || string(r.ContentType) != "application/octet-stream" || r.InferenceHeaderLength != 4 {
		t.Errorf("got status %d, type %q, header length %d", r.Status, r.ContentType, r.InferenceHeaderLength)
	}
	if len(r.Headers) != 1 || string(r.Headers[0].Name) != "x-version" || string(r.Headers[0].Value) != "3" {
		t.Errorf("got headers %q", r.Headers)
	}
	if want := (Load{Known: true, Queued: 4, InFlight: 5, Wait: 6 * time.Millisecond}); r.Node != want {
		t.Errorf("got the node's load %+v, want %+v", r.Node, want)
	}
	if want := (Load{Known: true, Queued: 1, InFlight: 2, Wait: 3 * time.Microsecond, Batch: 16}); r.Model != want {
		t.Errorf("got the model's load %+v, want %+v", r.Model, want)
	}
}

// A handler that panics, or answers what cannot be sent, costs its own request only.
func TestHandlersThatFail(t *testing.T) {
	var reported atomic.Pointer[error]
	server, err := NewServer(func(_ context.Context, req *Request, resp *Response) {
		resp.Status = 200
		switch string(req.Body) {
		case "panic":
			panic("on purpose")
		case "status":
			resp.Status = 7
		case "header":
			resp.Headers = append(resp.Headers, Header{[]byte("x"), []byte("a\r\nset-cookie: b")})
		case "name":
			resp.Headers = append(resp.Headers, Header{[]byte("x y"), nil})
		case "many":
			resp.Headers = make([]Header, maxHeaders+1)
		case "long":
			resp.ContentType = make([]byte, 256)
		case "length":
			resp.InferenceHeaderLength = 1
		}
	}, DefaultConfig(), func(err error) { reported.Store(&err) })
	if err != nil {
		t.Fatal(err)
	}
	client, serverSide := connected(t)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, serverSide) }()
	c, err := Open(client, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	var x Exchange
	for _, how := range []string{"panic", "status", "header", "name", "many", "long", "length"} {
		err := c.Do(post(&x, []byte(how)))
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeFailed || !e.Begun {
			t.Errorf("%s: got %v, want failed and begun", how, err)
		}
		if err := c.Do(post(&x, nil)); err != nil {
			t.Errorf("after %s: %v", how, err)
		}
	}
	if err := *reported.Load(); !strings.Contains(err.Error(), "on purpose") || !strings.Contains(err.Error(), "handler_test.go") {
		t.Errorf("reported %v, want the panic and where", err)
	}
	stop()
	if err := errors.Join(<-ran, <-served); err != nil {
		t.Error(err)
	}
}

// What no HTTP message may hold is refused by itself, not passed on and not held against the connection.
func TestRequestsThatHTTPForbids(t *testing.T) {
	p := loopback(t, echo)
	long := make([]byte, maxHead+1)
	for name, change := range map[string]func(*Request){
		"no path":           func(r *Request) { r.Path = nil },
		"path with a blank": func(r *Request) { r.Path = []byte("/a b") },
		"path with a line":  func(r *Request) { r.Path = []byte("/a\nb") },
		"no slash":          func(r *Request) { r.Path = []byte("a") },
		"no method":         func(r *Request) { r.Method = 0 },
		"other method":      func(r *Request) { r.Method = 99 },
		"type":              func(r *Request) { r.ContentType = []byte("a\x00") },
		"id":                func(r *Request) { r.RequestID = []byte("a\nb") },
		"state":             func(r *Request) { r.TraceState = []byte("a\rb") },
		"empty name":        func(r *Request) { r.Headers = []Header{{nil, nil}} },
		"colon in a name":   func(r *Request) { r.Headers = []Header{{[]byte("a:"), nil}} },
		"line in a value":   func(r *Request) { r.Headers = []Header{{[]byte("a"), []byte("b\nc")}} },
		"long path":         func(r *Request) { r.Path = long },
		"long type":         func(r *Request) { r.ContentType = long },
		"long id":           func(r *Request) { r.RequestID = long },
		"long state":        func(r *Request) { r.TraceState = long },
		"long name":         func(r *Request) { r.Headers = []Header{{long, nil}} },
		"long value":        func(r *Request) { r.Headers = []Header{{[]byte("a"), long}} },
		"many headers":      func(r *Request) { r.Headers = make([]Header, 33) },
		"long together":     func(r *Request) { r.Path, r.TraceState = append([]byte("/"), long[:9000]...), long[:9000] },
		"header length":     func(r *Request) { r.InferenceHeaderLength = 2 },
	} {
		var x Exchange
		post(&x, []byte("x"))
		change(&x.Request)
		err := p.conn.Do(&x)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeInvalid || e.Begun || e.Detail == "" {
			t.Errorf("%s: got %v, want invalid, not begun, and why", name, err)
		}
	}
	var x Exchange
	if err := p.conn.Do(post(&x, nil)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Contexts derived from a handler's end with it.
func TestHandlerContext(t *testing.T) {
	kept := make(chan context.Context, 1)
	p := loopback(t, func(ctx context.Context, _ *Request, resp *Response) {
		if _, ok := ctx.Deadline(); ok || ctx.Err() != nil || ctx.Value("x") != nil {
			t.Error("a fresh context has a deadline, an error or a value")
		}
		derived, cancel := context.WithTimeout(ctx, time.Hour)
		context.AfterFunc(ctx, cancel)
		kept <- derived
		resp.Status = 200
	})
	var x Exchange
	if err := p.conn.Do(post(&x, nil)); err != nil {
		t.Fatal(err)
	}
	within(t, "the end of the derived context", (<-kept).Done())
}

// Workers are reused, grow to what is needed, and go when they are not.
func TestWorkersComeAndGo(t *testing.T) {
	cfg := DefaultConfig()
	cfg.PingInterval = 10 * time.Millisecond
	client, serverSide := connected(t)
	release := make(chan struct{})
	var running atomic.Int32
	server, err := NewServer(func(_ context.Context, _ *Request, resp *Response) {
		running.Add(1)
		<-release
		running.Add(-1)
		resp.Status = 200
	}, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &serverConn{server: server}
	c.link.init(serverSide, cfg, c)
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- c.serve(ctx) }()
	conn, err := Open(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- conn.Run(ctx) }()
	idle := func() int {
		c.link.mu.Lock()
		defer c.link.mu.Unlock()
		return len(c.crew.idle)
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			var x Exchange
			if err := conn.Do(post(&x, nil)); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "30 handlers at once", func() bool { return running.Load() == 30 })
	close(release)
	wg.Wait()
	eventually(t, "the workers to go", func() bool { return idle() == 0 })
	var x Exchange
	if err := conn.Do(post(&x, nil)); err != nil {
		t.Error(err)
	}
	stop()
	if err := errors.Join(<-ran, <-ended); err != nil {
		t.Error(err)
	}
}

// A handler may answer from memory of its own, and another may append to what it is lent: one never writes into the other's.
func TestHandlersMemoryIsNotLentOn(t *testing.T) {
	own := []byte("memory of the handler, with room behind it")
	fixed := []Header{{[]byte("fixed"), []byte("1")}}
	p := loopback(t, func(_ context.Context, req *Request, resp *Response) {
		resp.Status = 200
		if string(req.Body) == "own" {
			resp.Body, resp.Headers = own[:6], fixed[:1]
			return
		}
		resp.Body = append(resp.Body, "appended"...)
		resp.Headers = append(resp.Headers, Header{[]byte("appended"), []byte("2")})
	})
	var x Exchange
	for range 10 {
		for body, want := range map[string]string{"own": "memory", "lent": "appended"} {
			if err := p.conn.Do(post(&x, []byte(body))); err != nil || string(x.Response.Body) != want || len(x.Response.Headers) != 1 {
				t.Fatalf("%s: got %q with %d headers and %v", body, x.Response.Body, len(x.Response.Headers), err)
			}
		}
	}
	if string(own) != "memory of the handler, with room behind it" || string(fixed[0].Name) != "fixed" {
		t.Errorf("the handler's memory is now %q and %q", own, fixed[0].Name)
	}
}

// A cancel may come at the very moment at which a handler first asks for Done.
func TestDoneRacesWithTheEnd(t *testing.T) {
	x := &taskContext{task: &task{}}
	for range 20_000 {
		x = x.renewed()
		var both sync.WaitGroup
		both.Go(func() { x.end(context.Canceled) })
		both.Go(func() { x.Done() })
		both.Wait()
		select {
		case <-x.Done():
		default:
			t.Fatal("Done is open after the end")
		}
	}
}
