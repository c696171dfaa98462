package rollout

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// start runs m until the test ends.
func start(t *testing.T, m *Mirror) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// offer does what an exchange does: copy while the request is there, queue when the client has its answer.
func offer(m *Mirror, method, target, header, body []byte) {
	if c := m.Copy(method, target, header, body); c != nil {
		m.Offer(c)
	}
}

func TestMirrorSendsCopiesOfItsOwn(t *testing.T) {
	got := make(chan Copy, 1)
	m := NewMirror(100, time.Minute, func(_ context.Context, c *Copy) error {
		got <- Copy{Method: bytes.Clone(c.Method), Target: bytes.Clone(c.Target), Header: bytes.Clone(c.Header), Body: bytes.Clone(c.Body)}
		return nil
	}, quiet)
	method, target, header, body := []byte("POST"), []byte("/v2"), []byte("A: b\r\n"), []byte("{}")
	offer(m, method, target, header, body)
	for _, part := range [][]byte{method, target, header, body} {
		clear(part) // the request's memory is used again at once
	}
	start(t, m)
	c := <-got
	if string(c.Method) != "POST" || string(c.Target) != "/v2" || string(c.Header) != "A: b\r\n" || string(c.Body) != "{}" {
		t.Errorf("the shadow got %q %q %q %q", c.Method, c.Target, c.Header, c.Body)
	}
	eventually(t, "one copy sent", func() bool { return m.Stats() == Stats{Sent: 1} })
}

func TestMirrorDropsWhatFindsNoRoom(t *testing.T) {
	release := make(chan struct{})
	var under atomic.Int64
	m := NewMirror(100, time.Minute, func(ctx context.Context, _ *Copy) error {
		under.Add(1)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}, quiet)
	start(t, m)
	send := func() { offer(m, []byte("POST"), nil, nil, nil) }
	for range workers {
		send()
	}
	eventually(t, "every worker busy", func() bool { return under.Load() == workers })
	const extra = 10
	for range queueCopies + extra {
		send()
	}
	if got := m.Stats().Dropped; got != extra {
		t.Errorf("dropped %d, want %d", got, extra)
	}
	close(release)
	eventually(t, "the rest sent", func() bool { return m.Stats().Sent == workers+queueCopies })
	eventually(t, "no bytes counted with nothing queued", func() bool { return m.queued.Load() == 0 })
}

func TestMirrorBoundsTheBytesItHolds(t *testing.T) {
	m := NewMirror(100, time.Minute, nil, quiet)
	body := make([]byte, queueBytes/4+1)
	for range 5 {
		offer(m, nil, nil, nil, body)
	}
	if got := m.Stats().Dropped; got != 2 {
		t.Errorf("dropped %d of 5 copies of a quarter of the room each, want 2", got)
	}
	if held := m.queued.Load(); held > queueBytes {
		t.Errorf("holds %d bytes, the bound is %d", held, queueBytes)
	}
}

func TestMirrorGivesEachCopyItsTime(t *testing.T) {
	m := NewMirror(100, 10*time.Millisecond, func(ctx context.Context, _ *Copy) error {
		<-ctx.Done()
		return ctx.Err()
	}, quiet)
	start(t, m)
	offer(m, nil, nil, nil, nil)
	eventually(t, "one failure", func() bool { return m.Stats() == Stats{Sent: 1, Failed: 1} })
}

func TestMirrorSurvivesPanicsAndFailures(t *testing.T) {
	var n atomic.Int64
	m := NewMirror(100, time.Minute, func(context.Context, *Copy) error {
		if n.Add(1)%2 == 1 {
			panic("test")
		}
		return errors.New("test")
	}, quiet)
	start(t, m)
	const each = workers * 2 // more than there are workers: a lost one would show
	for range 2 * each {
		offer(m, nil, nil, nil, nil)
	}
	eventually(t, "all of them dealt with", func() bool { s := m.Stats(); return s.Panics == each && s.Failed == each })
}
