package hop

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// conditional are the configurations of two ends that agree on conditions.
func conditional() (client, server Config) {
	client, server = DefaultConfig(), DefaultConfig()
	server.Conditions = true
	return client, server
}

// A request whose condition does not hold comes back at once with what the node holds, was not begun, and leaves no trace.
func TestDeclinedRequests(t *testing.T) {
	running, release := make(chan struct{}, 2), make(chan struct{})
	var told atomic.Int64
	clientCfg, serverCfg := conditional()
	client, serverSide := connected(t)
	load := Load{Known: true, Queued: 3, InFlight: 2, Wait: 4 * time.Millisecond, Worked: 7 * time.Millisecond}
	p := startObserved(t, client, serverSide, clientCfg, serverCfg, func(_ context.Context, req *Request, resp *Response) {
		if req.Most > 0 && load.Held() >= int64(req.Most) {
			resp.Declined, resp.Node = true, load
			return
		}
		running <- struct{}{}
		<-release
		resp.Status = 200
	}, Observer{Load: func(l Load, own uint32) { told.Store(int64(own)) }})
	var first, x Exchange
	done := do(p.conn, post(&first, nil))
	within(t, "the first request", running)
	if !p.conn.Conditions() {
		t.Fatal("the client does not know that the node takes conditions")
	}
	post(&x, []byte("x"))
	x.Request.Most = 4
	err := p.conn.Do(&x)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != CodeDeclined || e.Begun || e.Load != load || e.Own != 1 {
		t.Fatalf("got %#v, want that it was declined and not begun, by a node with %+v, of which one is ours", e, load)
	}
	if told.Load() != 1 {
		t.Error("the observer did not hear the load that came with the decline")
	}
	if n := p.server.Declined(); n != 1 {
		t.Errorf("%d declined requests are counted", n)
	}
	x.Request.Most = 5 // it holds four, as conditions count
	done2 := do(p.conn, &x)
	within(t, "a request whose condition holds", running)
	close(release)
	if err := errors.Join(within(t, "an answer", done), within(t, "an answer", done2)); err != nil {
		t.Error(err)
	}
	eventually(t, "no open exchange", func() bool { return p.conn.Stats().Open == 0 })
}

// What was told with a decline is not told again.
func TestADeclineIsNewsEnough(t *testing.T) {
	clientCfg, serverCfg := conditional()
	clientCfg.Loads = 1000
	client, serverSide := connected(t)
	load := Load{Known: true, Queued: 9, InFlight: 1}
	p := start(t, client, serverSide, clientCfg, serverCfg, func(_ context.Context, _ *Request, resp *Response) {
		resp.Declined, resp.Node = true, load
	})
	var x Exchange
	post(&x, nil)
	x.Request.Most = 1
	began := time.Now()
	if err := p.conn.Do(&x); codeIn(t, err) != CodeDeclined {
		t.Fatal(err)
	}
	tellAgain(p.server, load)
	if told := p.server.Told(); told != 0 && time.Since(began) < toldAgain {
		t.Errorf("%d loads were told of what the client knows", told)
	}
}

// A node that does not take conditions gets none, and one that gets some all the same does not look at them.
func TestConditionsNeedTwo(t *testing.T) {
	c, p, _ := serverPeer(t, DefaultConfig(), usual())
	var x Exchange
	post(&x, nil)
	x.Request.Most = 3
	done := do(c, &x)
	if _, payload := p.want(kindRequest, 1); payload[headCondition] != 0 {
		t.Errorf("a node that did not ask for conditions got %d", payload[headCondition])
	}
	p.write(responseFrame(1, ""))
	if err := within(t, "the answer", done); err != nil {
		t.Error(err)
	}
	clientSide, _ := clientPeer(t, DefaultConfig(), func(_ context.Context, req *Request, resp *Response) {
		if resp.Status = 200; req.Most != 0 {
			resp.Status = 500
		}
	})
	f := requestFrame(1, "")
	f[headerSize+headCondition] = 3
	sealFrame(f, 0, kindRequest, flagEnd, 1)
	clientSide.write(f)
	if _, payload := clientSide.want(kindResponse, 1); payload[2] != 200 {
		t.Error("the handler has seen a condition that the node does not take")
	}
}

// A decline that the rules do not allow is a failure of the node, which somebody counts, and the connection goes on.
func TestDeclinesThatAreNone(t *testing.T) {
	busy := Load{Known: true, Queued: 4, InFlight: 1}
	theirs := usual()
	theirs.conditions = 1
	decline := func(id uint64, flags uint8) []byte { return appendCancel(nil, id, flags, ReasonDeclined, "") }
	waits := Load{Known: true, InFlight: 1, Wait: 4 * time.Millisecond}
	for _, c := range []struct {
		what   string
		most   uint8
		within time.Duration
		frames []byte
		want   Code
		detail string
	}{
		{"a good one", 5, 0, join(appendLoadFrame(nil, busy, 0), decline(1, flagNotBegun)), CodeDeclined, ""},
		{"no condition", 0, 0, join(appendLoadFrame(nil, busy, 0), decline(1, flagNotBegun)), CodeFailed, "no condition"},
		{"no load", 5, 0, decline(1, flagNotBegun), CodeFailed, "without its load"},
		{"an old load", 5, 0, join(appendLoadFrame(nil, busy, 0), responseFrame(2, ""), decline(1, flagNotBegun)), CodeFailed, "without its load"},
		{"begun", 5, 0, join(appendLoadFrame(nil, busy, 0), decline(1, 0)), CodeFailed, "may have begun"},
		{"room for it", 6, 0, join(appendLoadFrame(nil, busy, 0), decline(1, flagNotBegun)), CodeFailed, "held 5 requests, and might hold 6"},
		{"a batch that runs", 2, 0, join(appendLoadFrame(nil, Load{Known: true, InFlight: 64}, 0), decline(1, flagNotBegun)), CodeFailed, "held 1 requests"},
		{"a long wait", 0, 3 * time.Millisecond, join(appendLoadFrame(nil, waits, 0), decline(1, flagNotBegun)), CodeDeclined, ""},
		{"a short wait", 0, 4 * time.Millisecond, join(appendLoadFrame(nil, waits, 0), decline(1, flagNotBegun)), CodeFailed, "wait of 4ms"},
	} {
		conn, p, _ := serverPeer(t, DefaultConfig(), theirs)
		var x, other Exchange
		post(&x, nil)
		x.Request.Most, x.Request.Within = c.most, c.within
		done := do(conn, &x)
		p.want(kindRequest, 1)
		done2 := do(conn, post(&other, nil))
		p.want(kindRequest, 2)
		p.write(c.frames)
		err := within(t, "the decline", done)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != c.want || !strings.Contains(e.Detail, c.detail) {
			t.Errorf("%s: got %v, want %v, %q", c.what, err, c.want, c.detail)
		}
		if c.what != "an old load" {
			p.write(responseFrame(2, ""))
		}
		if err := within(t, "another answer on that connection", done2); err != nil {
			t.Errorf("%s: the connection did not survive it: %v", c.what, err)
		}
	}
}

// A handler that declines what has no condition has a bug, and the client is not told that it was declined.
func TestAHandlerMustNotDeclineWithoutACondition(t *testing.T) {
	clientCfg, serverCfg := conditional()
	client, serverSide := connected(t)
	p := start(t, client, serverSide, clientCfg, serverCfg, func(_ context.Context, _ *Request, resp *Response) {
		resp.Declined, resp.Node = true, Load{Known: true, Queued: 9}
	})
	var x Exchange
	if err := p.conn.Do(post(&x, nil)); codeIn(t, err) != CodeFailed || !strings.Contains(err.Error(), "no condition") {
		t.Errorf("got %v", err)
	}
}

// Frames of nodes that do not say for how long they have worked are understood.
func TestLoadFramesOfEarlierNodes(t *testing.T) {
	heard := make(chan Load, 1)
	_, p, _ := serverPeerObserved(t, DefaultConfig(), usual(), Observer{Load: func(l Load, _ uint32) { heard <- l }})
	long := appendLoadFrame(nil, Load{Known: true, Queued: 1, Worked: time.Second}, 2)
	p.write(frame(kindLoad, flagOptional, 0, long[headerSize:headerSize+loadFrameLeast]))
	if got, want := within(t, "the load", heard), (Load{Known: true, Queued: 1}); got != want {
		t.Errorf("heard %+v, want %+v", got, want)
	}
}

// Conditions are declined or kept under load, on connections that also cancel: every exchange ends once, and none that was declined
// has been begun.
func TestDeclinesInACrowd(t *testing.T) {
	var begun atomic.Int64
	clientCfg, serverCfg := conditional()
	client, serverSide := connected(t)
	p := start(t, client, serverSide, clientCfg, serverCfg, func(_ context.Context, req *Request, resp *Response) {
		if held := uint32(len(req.Body) % 7); req.Most > 0 && held >= uint32(req.Most) {
			resp.Declined, resp.Node = true, Load{Known: true, Queued: held}
			return
		}
		begun.Add(1)
		resp.Status = 200
	})
	var answered, declined atomic.Int64
	over := make(chan struct{})
	const callers, each = 16, 300
	for i := range callers {
		go func() {
			defer func() { over <- struct{}{} }()
			var x Exchange
			for n := range each {
				post(&x, make([]byte, (n*37+i)%900*(1+n%50))) // some come in chunks
				x.Request.Most = uint8(n % 8)
				switch err := p.conn.Do(&x); {
				case err == nil:
					answered.Add(1)
				case codeIn(t, err) == CodeDeclined && x.Request.Most > 0:
					declined.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			}
		}()
	}
	for range callers {
		within(t, "a caller's end", over)
	}
	if answered.Load() != begun.Load() || answered.Load()+declined.Load() != callers*each || declined.Load() == 0 {
		t.Errorf("%d answered, %d begun, %d declined", answered.Load(), begun.Load(), declined.Load())
	}
	if n := p.server.Declined(); int64(n) != declined.Load() {
		t.Errorf("the server counts %d declined, want %d", n, declined.Load())
	}
	eventually(t, "no open exchange", func() bool { return p.conn.Stats().Open == 0 })
}

// How long a request may wait travels with a fifth more at most, and what the node declines is what the client's own word forbids.
func TestHowLongARequestMayWaitTravels(t *testing.T) {
	for d := time.Microsecond; d < 10*time.Hour; d += 1 + d/7 {
		sent, got := Request{Within: d}, Request{}
		got.readCondition(sent.condition())
		if got.Most != 0 || got.Within < d-time.Microsecond || got.Within > max(withinUnit, d*6/5) {
			t.Fatalf("%v came as %v, at most %d", d, got.Within, got.Most)
		}
		for _, wait := range []time.Duration{d, got.Within, got.Within + time.Microsecond} {
			if l := (Load{Known: true, Wait: wait}); !got.Allows(l) && sent.Allows(l) {
				t.Fatalf("of %v that came as %v the node may decline %v, and the client forbids it", d, got.Within, wait)
			}
		}
	}
	for most := range uint8(255) {
		sent, got := Request{Most: most}, Request{}
		got.readCondition(sent.condition())
		if want := most; got.Within != 0 || got.Most != want && most <= mostMost || got.Most != 0 && most > mostMost {
			t.Errorf("at most %d came as %d, %v", most, got.Most, got.Within)
		}
	}
}
