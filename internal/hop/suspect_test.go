package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// signs are what an observer has heard.
type signs struct {
	keep               atomic.Bool // the exchanges stay
	suspected, trusted atomic.Int64
	goaways            chan string
}

// observed opens a connection to a peer that the test plays, with so short a patience.
func observed(t *testing.T, silence time.Duration) (*Conn, *peer, *signs) {
	t.Helper()
	s := &signs{goaways: make(chan string, 1)}
	cfg := DefaultConfig()
	cfg.Silence = silence
	cfg.PingInterval = time.Minute // what ends connections is another test's
	c, p, _ := serverPeerObserved(t, cfg, usual(), Observer{
		Suspect: func(time.Duration) bool { s.suspected.Add(1); return !s.keep.Load() },
		Trust:   func(time.Duration) { s.trusted.Add(1) },
		Goaway:  func(text string) { s.goaways <- text },
	})
	return c, p, s
}

// quick is a patience for peers that are silent on purpose: what is to be sent before they are suspected has to be sent within it.
const quick = time.Second

// A node that stops saying anything loses its exchanges, but not its connection: when it speaks again, that is used again.
func TestFrozenNodeGivesExchangesBack(t *testing.T) {
	t.Parallel()
	c, p, s := observed(t, quick)
	var whole, half, late, again Exchange
	wholeDone := do(c, post(&whole, []byte("whole")))
	p.want(kindRequest, 1)
	halfDone := do(c, post(&half, make([]byte, 3<<20))) // stops at the window
	for _, test := range []struct {
		name  string
		done  chan error
		begun bool
	}{{"whole", wholeDone, true}, {"half", halfDone, false}} {
		err := within(t, "the end of an exchange", test.done)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeSuspect || e.Begun != test.begun || !strings.Contains(err.Error(), "no sign of life") {
			t.Errorf("%s: got %v, want suspect with Begun %v", test.name, err, test.begun)
		}
	}
	if err := c.Do(post(&late, nil)); codeIn(t, err) != CodeSuspect || c.Usable() {
		t.Errorf("while suspected: got %v, want suspect at once", err)
	}
	if st := c.Stats(); !st.Suspect || st.Suspicions != 1 {
		t.Errorf("counted %+v", st)
	}
	p.want(kindRequest, 2) // the node runs again, and finds what it missed
	for {
		if h, payload := p.read(); h.kind == kindCancel {
			if reason, _, _ := parseCancel(payload); reason != ReasonCanceled {
				t.Errorf("stream %d was cancelled as %v", h.id, reason)
			}
			p.write(appendCancel(nil, h.id, 0, ReasonCanceled, ""))
			break
		}
	}
	eventually(t, "trust", func() bool { return s.trusted.Load() == 1 && c.Usable() })
	done := do(c, post(&again, []byte("again")))
	for {
		if h, _ := p.read(); h.kind == kindRequest {
			p.write(responseFrame(h.id, "yes"))
			break
		}
	}
	if err := within(t, "an answer over the same connection", done); err != nil || string(again.Response.Body) != "yes" {
		t.Errorf("after the freeze: got %q and %v", again.Response.Body, err)
	}
}

// Where nobody else could answer, the exchanges of a silent node wait for it. That may change.
func TestExchangesThatStay(t *testing.T) {
	t.Parallel()
	c, p, s := observed(t, quick)
	s.keep.Store(true)
	var stays, patient Exchange
	staysDone := do(c, post(&stays, []byte("x")))
	p.want(kindRequest, 1)
	eventually(t, "several looks at a suspected node", func() bool { return s.suspected.Load() >= 3 })
	post(&patient, []byte("x")).Patient = true
	patientDone := do(c, &patient)
	p.want(kindRequest, 2)
	s.keep.Store(false) // now there is somebody
	if err := within(t, "the end of the exchange", staysDone); codeIn(t, err) != CodeSuspect {
		t.Errorf("got %v, want suspect", err)
	}
	p.write(responseFrame(2, "at last"))
	if err := within(t, "the answer to the patient", patientDone); err != nil || string(patient.Response.Body) != "at last" {
		t.Errorf("the patient exchange got %q and %v", patient.Response.Body, err)
	}
}

// A node that works on something for long answers pings, and is left alone.
func TestANodeThatWorksIsNotSuspected(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	client, server := connected(t)
	cfg := DefaultConfig()
	cfg.Silence = 3 * time.Second // its pongs may take four fifths of that
	suspected := make(chan struct{}, 1000)
	p := startObserved(t, client, server, cfg, DefaultConfig(), func(_ context.Context, _ *Request, resp *Response) {
		<-release
		resp.Status = 204
	}, Observer{Suspect: func(time.Duration) bool { suspected <- struct{}{}; return true }})
	var x Exchange
	done := do(p.conn, post(&x, nil))
	before := p.conn.Stats().Reads
	eventually(t, "some pongs", func() bool { return p.conn.Stats().Reads >= before+4 })
	close(release)
	if err := within(t, "the answer", done); err != nil || len(suspected) > 0 {
		t.Errorf("got %v after %d suspicions", err, len(suspected))
	}
}

// What a look counts is a look: one that comes late, because this process or the whole machine stood still, counts no more than any
// other.
func TestOurOwnStallIsNotTheNodesSilence(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := &Conn{next: 1, doubt: doubt{at: never}, observer: Observer{Suspect: func(time.Duration) bool { return true }}}
	c.link.init(near, DefaultConfig(), (*client)(c))
	c.open = 1
	role := (*client)(c)
	role.awaitSigns(0)
	now := time.Duration(0)
	for look := range silenceLooks {
		if c.doubt.suspect {
			t.Fatalf("suspected after %d looks", look)
		}
		now += 10 * time.Second
		role.look(now)
	}
	if !c.doubt.suspect {
		t.Errorf("not suspected after %d looks", silenceLooks)
	}
}

// While large bodies are on their way over a slow link, the ping is behind them, and its pong far away.
func TestBodiesInTransitAreLife(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other kernels are not asked what they have delivered")
	}
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Silence = 2 * time.Second
	cfg.PingInterval = time.Minute              // what ends connections is another test's
	client, wire := connectedWithin(t, 256<<10) // what is not read here the kernel of the other side does not take
	onward, server := connected(t)
	t.Cleanup(func() { wire.Close(); onward.Close() })
	var suspected atomic.Int64
	var slow sync.WaitGroup
	slow.Go(func() { // 4 MiB take 4 s
		buf := make([]byte, 32<<10)
		for {
			n, err := wire.Read(buf)
			if err != nil {
				onward.Close()
				return
			}
			_, _ = onward.Write(buf[:n])
			time.Sleep(time.Duration(n) * time.Second / (1 << 20))
		}
	})
	slow.Go(func() { _, _ = io.Copy(wire, onward); wire.Close() })
	t.Cleanup(slow.Wait)
	p := startObserved(t, client, server, cfg, cfg, func(_ context.Context, _ *Request, resp *Response) { resp.Status = 204 },
		Observer{Suspect: func(time.Duration) bool { suspected.Add(1); return true }})
	var x [4]Exchange
	var done [4]chan error
	for i := range x {
		done[i] = do(p.conn, post(&x[i], make([]byte, 1<<20))) // a window each, so that nothing comes back before the end
	}
	for i := range x {
		if err := within(t, "an answer", done[i]); err != nil {
			t.Errorf("body %d: %v", i, err)
		}
	}
	if n := suspected.Load(); n > 0 {
		t.Errorf("suspected %d times", n)
	}
}

// The observer hears a goaway without a reason, and only that.
func TestGoawayIsHeard(t *testing.T) {
	_, p, s := observed(t, time.Second)
	p.write(appendGoaway(nil, 0, ReasonNone, "rolling\nrestart"))
	if text := within(t, "the goaway", s.goaways); text != "rolling.restart" {
		t.Errorf("heard %q", text)
	}
}
