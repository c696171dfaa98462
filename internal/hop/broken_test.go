package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// When the connection breaks every exchange fails at once, and is told whether the node may have begun it.
func TestBrokenConnectionFailsAllAtOnce(t *testing.T) {
	theirs := usual()
	theirs.window = minWindow
	c, p, end := serverPeer(t, DefaultConfig(), theirs)
	var whole, half [20]Exchange
	var wholes, halves [20]chan error
	for i := range whole {
		wholes[i] = do(c, post(&whole[i], []byte("whole")))
		halves[i] = do(c, post(&half[i], make([]byte, 200_000))) // stops at the window
	}
	heads, bytes := 0, 0
	for heads < 40 || bytes < 20*minWindow {
		h, _ := p.read()
		if h.kind == kindRequest {
			heads++
		} else {
			bytes += int(h.length)
		}
	}
	p.nc.Close()
	for i := range whole {
		for _, test := range []struct {
			done  chan error
			begun bool
		}{{wholes[i], true}, {halves[i], false}} {
			err := within(t, "the end of an exchange", test.done)
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBroken || e.Begun != test.begun {
				t.Errorf("got %v, want broken with Begun %v", err, test.begun)
			}
		}
	}
	if err := await(t, end); err == nil {
		t.Error("Run returned nil")
	}
	var x Exchange
	err := c.Do(post(&x, nil))
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBroken || e.Begun || c.Usable() {
		t.Errorf("after the end: got %v, want broken and not begun", err)
	}
}

// A request that never left the queue is safe to repeat, also when others before it were sent.
func TestRequestsNeverSentAreSafe(t *testing.T) {
	theirs := usual()
	theirs.window = maxWindow
	c, p, _ := serverPeer(t, DefaultConfig(), theirs)
	var first, bulk, late Exchange
	firstDone := do(c, post(&first, []byte("sent")))
	p.want(kindRequest, 1)
	bulkDone := do(c, post(&bulk, make([]byte, 64<<20)))
	p.want(kindRequest, 2) // and then the peer reads no more: the socket fills up
	sent := uint64(0)
	eventually(t, "the writer to be stuck", func() bool {
		before := sent
		time.Sleep(20 * time.Millisecond)
		sent = c.Stats().BytesSent
		return sent == before && sent > 0
	})
	lateDone := do(c, post(&late, []byte("late")))
	eventually(t, "the late request to be queued", func() bool { return c.Stats().Open == 3 })
	c.Close()
	for _, test := range []struct {
		name  string
		done  chan error
		begun bool
	}{{"sent", firstDone, true}, {"half sent", bulkDone, false}, {"never sent", lateDone, false}} {
		err := within(t, "the end of an exchange", test.done)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBroken || e.Begun != test.begun {
			t.Errorf("%s: got %v, want broken with Begun %v", test.name, err, test.begun)
		}
	}
}

// While the node reads nothing, callers are freed by their deadlines, cancels work, and the queue does not grow without end.
func TestNodeThatReadsNothing(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.WriteTimeout = 3 * time.Second // by then the callers are gone
	cfg.PingInterval = time.Minute     // this is about the write's limit
	theirs := usual()
	theirs.window = maxWindow
	c, p, end := serverPeer(t, cfg, theirs)
	var wg sync.WaitGroup
	began := time.Now()
	var slowest time.Duration
	var mu sync.Mutex
	for i := range 200 {
		wg.Go(func() {
			var x Exchange
			post(&x, make([]byte, 1<<(i%24)))
			x.Request.Deadline = began.Add(100 * time.Millisecond)
			if err := c.Do(&x); codeIn(t, err) != CodeDeadline {
				t.Errorf("got %v, want deadline", err)
			}
			mu.Lock()
			slowest = max(slowest, time.Since(began))
			mu.Unlock()
		})
	}
	wg.Wait()
	if slowest > 5*time.Second {
		t.Errorf("a caller with a deadline of 100 ms was freed after %v", slowest)
	}
	if err := await(t, end); !errors.Is(err, ErrNotReading) {
		t.Errorf("Run returned %v, want ErrNotReading", err)
	}
	if held := cap(c.link.w.out) + cap(c.link.w.spare) + cap(c.link.w.rest); held > 1<<20 {
		t.Errorf("the queue holds %d bytes", held)
	}
	p.nc.Close()
}

// A client that asks and does not read is cut off; its handlers are told.
func TestClientThatReadsNothing(t *testing.T) {
	cfg := DefaultConfig()
	cfg.WriteTimeout = 200 * time.Millisecond
	cfg.PingInterval = time.Minute
	answer := make([]byte, 1<<20)
	p, end := clientPeer(t, cfg, func(_ context.Context, _ *Request, resp *Response) { resp.Status, resp.Body = 200, answer })
	for id := range uint64(100) {
		p.write(requestFrame(id+1, "x"))
	}
	if err := await(t, end); !errors.Is(err, ErrNotReading) {
		t.Errorf("Serve returned %v, want ErrNotReading", err)
	}
}

// A client that causes frames without end and reads none of them is cut off before they fill the memory.
func TestFloodOfPings(t *testing.T) {
	cfg := DefaultConfig()
	cfg.PingInterval, cfg.WriteTimeout = time.Minute, time.Minute
	p, end := clientPeer(t, cfg, echo)
	pings := []byte{}
	for range 1000 {
		pings = appendPing(pings, kindPing, 1)
	}
	for {
		if _, err := p.nc.Write(pings); err != nil {
			break
		}
	}
	if err := await(t, end); !errors.Is(err, ErrNotReading) {
		t.Errorf("Serve returned %v, want ErrNotReading", err)
	}
}

// A client over its limit of streams is refused, which it may repeat elsewhere, and reported once.
func TestFloodOfStreams(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxStreams = 8
	hold := make(chan struct{})
	var reports sync.Map
	p, _ := clientPeerReporting(t, cfg, func(_ context.Context, _ *Request, resp *Response) {
		<-hold
		resp.Status = 200
	}, func(err error) { reports.Store(err, true) })
	for id := range uint64(100) {
		p.write(requestFrame(id+1, "x"))
	}
	for id := uint64(9); id <= 100; id++ {
		h, payload := p.want(kindCancel, id)
		if reason, _, _ := parseCancel(payload); reason != ReasonRefused || h.flags&flagNotBegun == 0 {
			t.Fatalf("stream %d was ended with %v and flags %x", id, reason, h.flags)
		}
	}
	close(hold)
	for range 8 {
		if h, _ := p.read(); h.kind != kindResponse {
			t.Errorf("got %v, want the answers of the streams that were let in", h.kind)
		}
	}
	count := 0
	reports.Range(func(key, _ any) bool {
		count++
		if err := key.(error); !strings.Contains(err.Error(), "more than 8 streams") {
			t.Errorf("reported %v", err)
		}
		return true
	})
	if count != 1 {
		t.Errorf("%d reports, want 1", count)
	}
}

// A client opens and cancels without end: handlers that have not noticed yet still count, so that no more than the limit ever
// run at once.
func TestRapidResetRunsNoMoreHandlersThanStreams(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxStreams = 4
	var mu sync.Mutex
	running, most := 0, 0
	p, _ := clientPeer(t, cfg, func(ctx context.Context, _ *Request, _ *Response) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(time.Millisecond) // work that does not look at its context
		mu.Lock()
		running--
		mu.Unlock()
	})
	for id := range uint64(2000) {
		p.write(join(requestFrame(id+1, "x"), appendCancel(nil, id+1, 0, ReasonCanceled, "")))
	}
	for range 2000 {
		if h, _ := p.read(); h.kind != kindCancel {
			t.Fatalf("got %v, want every stream to be ended by a cancel", h.kind)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most > 4 {
		t.Errorf("%d handlers ran at once, the limit is 4", most)
	}
}

// A peer that falls silent is found by its missing pong.
func TestHungPeerIsFound(t *testing.T) {
	cfg := DefaultConfig()
	cfg.PingInterval, cfg.PingTimeout = 20*time.Millisecond, 60*time.Millisecond
	c, p, end := serverPeer(t, cfg, usual())
	var x Exchange
	began := time.Now()
	done := do(c, post(&x, nil))
	p.want(kindRequest, 1)
	p.want(kindPing, 0) // and says nothing
	err := within(t, "the end of the exchange", done)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBroken || !errors.Is(err, ErrHung) || !e.Begun {
		t.Errorf("got %v, want broken by a hung peer", err)
	}
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("given up after %v", took)
	}
	if err := await(t, end); !errors.Is(err, ErrHung) {
		t.Errorf("Run returned %v", err)
	}
}

// A peer that answers pings and nothing else is alive: the node may be computing.
func TestQuietPeerIsLeftAlone(t *testing.T) {
	cfg := DefaultConfig()
	cfg.PingInterval, cfg.PingTimeout = 5*time.Millisecond, 20*time.Second
	c, p, _ := serverPeer(t, cfg, usual())
	var x Exchange
	done := do(c, post(&x, nil))
	p.want(kindRequest, 1)
	for range 5 {
		_, payload := p.want(kindPing, 0)
		token, _ := parsePing(payload)
		p.write(appendPing(nil, kindPong, token))
	}
	p.write(responseFrame(1, "at last"))
	if err := within(t, "the answer", done); err != nil {
		t.Error(err)
	}
	if c.Stats().RoundTrip <= 0 {
		t.Error("the round trip was not measured")
	}
}

// A side that closes only its sending half has gone: nothing it would read is worth the work.
func TestHalfClosedConnections(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		ended := make(chan error, 1)
		p, end := clientPeer(t, DefaultConfig(), func(ctx context.Context, _ *Request, _ *Response) {
			<-ctx.Done()
			ended <- ctx.Err()
		})
		p.write(requestFrame(1, "x"))
		p.nc.(*net.TCPConn).CloseWrite()
		if err := await(t, end); !errors.Is(err, ErrPeerGone) {
			t.Errorf("Serve returned %v", err)
		}
		within(t, "the end of the handler's context", ended)
	})
	t.Run("server", func(t *testing.T) {
		c, p, end := serverPeer(t, DefaultConfig(), usual())
		var x Exchange
		done := do(c, post(&x, nil))
		p.want(kindRequest, 1)
		p.nc.(*net.TCPConn).CloseWrite()
		if err := within(t, "the end of the exchange", done); codeIn(t, err) != CodeBroken {
			t.Errorf("got %v", err)
		}
		if err := await(t, end); !errors.Is(err, ErrPeerGone) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// A connection takes no more exchanges than both ends have agreed to.
func TestFullConnectionSaysSo(t *testing.T) {
	theirs := usual()
	theirs.maxStreams = 2
	c, p, _ := serverPeer(t, DefaultConfig(), theirs)
	var a, b, over Exchange
	doneA, doneB := do(c, post(&a, nil)), do(c, post(&b, nil))
	p.want(kindRequest, 1)
	p.want(kindRequest, 2)
	err := c.Do(post(&over, nil))
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBusy || e.Begun || c.Usable() {
		t.Errorf("got %v, want busy and not begun", err)
	}
	p.write(join(responseFrame(1, ""), responseFrame(2, "")))
	within(t, "the first answer", doneA)
	within(t, "the second answer", doneB)
	if !c.Usable() {
		t.Error("the connection is still full")
	}
}

// With its defaults a client finds a hung node within 4 s, and no sooner than 2.
func TestHungPeerByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clientSide, server := net.Pipe()
		defer server.Close()
		go server.Write(settingsFrame(usual()))
		go io.Copy(io.Discard, server) // reads and never answers
		c, err := Open(clientSide, DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		began := time.Now()
		go func() { ran <- c.Run(t.Context()) }()
		var x Exchange
		err = c.Do(post(&x, nil))
		if took := time.Since(began); codeIn(t, err) != CodeBroken || took < 2*time.Second || took > 4*time.Second {
			t.Errorf("got %v after %v", err, took)
		}
		if err := <-ran; !errors.Is(err, ErrHung) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// stopped is a connection of a process that is stopped for a while in the middle of a read: when it goes on the deadline has long
// passed, and what the peer has sent meanwhile is there.
type stopped struct {
	net.Conn
	stops chan time.Duration
}

func (s *stopped) Read(p []byte) (int, error) {
	select {
	case d := <-s.stops:
		time.Sleep(d)
		return 0, os.ErrDeadlineExceeded
	default:
		return s.Conn.Read(p)
	}
}

// A process that was stopped does not take that for silence of its peer.
func TestStoppedProcessDoesNotBlameItsPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clientSide, serverSide := net.Pipe()
		patient := DefaultConfig()
		patient.PingTimeout, patient.WriteTimeout = time.Hour, time.Hour // it is the client that is stopped
		server, err := NewServer(echo, patient, nil)
		if err != nil {
			t.Fatal(err)
		}
		served, ran := make(chan error, 1), make(chan error, 1)
		go func() { served <- server.Serve(context.Background(), serverSide) }()
		s := &stopped{clientSide, make(chan time.Duration, 1)}
		c, err := Open(s, DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		go func() { ran <- c.Run(ctx) }()
		var x Exchange
		for range 5 {
			time.Sleep(1500 * time.Millisecond) // a ping is on its way
			s.stops <- time.Minute
			time.Sleep(70 * time.Second)
			if err := c.Do(post(&x, []byte("still there"))); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err := errors.Join(<-ran, <-served); err != nil {
			t.Error(err)
		}
	})
}

// A request that was not sent when the node broke the rules is reported as not begun, and does not go out with the last words.
func TestNothingIsSentAfterItWasCalledSafe(t *testing.T) {
	theirs := usual()
	theirs.window = maxWindow
	c, p, _ := serverPeer(t, DefaultConfig(), theirs)
	var bulk, late Exchange
	bulkDone := do(c, post(&bulk, make([]byte, 64<<20)))
	p.want(kindRequest, 1)
	sent := uint64(0)
	eventually(t, "the writer to be stuck", func() bool {
		before := sent
		time.Sleep(20 * time.Millisecond)
		sent = c.Stats().BytesSent
		return sent == before
	})
	lateDone := do(c, post(&late, []byte("late")))
	eventually(t, "the late request to be queued", func() bool { return c.Stats().Open == 2 })
	p.write(frame(99, 0, 0, nil))
	for _, done := range []chan error{bulkDone, lateDone} {
		err := within(t, "the end of an exchange", done)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBroken || e.Begun {
			t.Errorf("got %v, want broken and not begun", err)
		}
	}
	told := false
	for {
		h, payload, err := p.next()
		if err != nil {
			break
		}
		switch {
		case h.kind == kindRequest:
			t.Errorf("stream %d was begun after its caller was told that it was not", h.id)
		case h.kind == kindGoaway:
			_, reason, _, _ := parseGoaway(payload)
			told = reason == ReasonProtocol
		case h.ends():
			t.Error("the bulk was completed")
		}
	}
	if !told {
		t.Error("the node was not told why it was cut off")
	}
}
