package httpserver

import (
	"bufio"
	"io"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// asleep waits until n connections wait without their memory.
func (r *running) asleep(t *testing.T, n int) {
	t.Helper()
	eventually(t, "connections asleep", func() bool { return r.http.GetCurrentConcurrency() == 0 && r.Stats().Open == int64(n) })
}

// A connection that has been idle for a while goes on as if nothing had happened.
func TestIdleConnectionWakesUp(t *testing.T) {
	r := start(t, testConfig(), echo)
	c := r.dial(t)
	in := bufio.NewReader(c)
	for range 2 {
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		if resp, body, _ := readAnswer(t, in); resp.StatusCode != 200 || body != "hello" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
		r.asleep(t, 1)
	}
	if st := r.Stats(); st.Accepted != 1 || st.Requests != 2 {
		t.Errorf("%+v", st)
	}
	c.Close()
	eventually(t, "its end noticed", func() bool { return r.Stats().Open == 0 })
}

// Asleep or not, the idle time ends it.
func TestIdleTimeEndsWhileAsleep(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.IdleTimeout = 5 * time.Second // four more than until it is asleep, which has to be seen
	r := start(t, cfg, echo)
	c := r.dial(t)
	io.WriteString(c, get)
	in := bufio.NewReader(c)
	readAnswer(t, in)
	r.asleep(t, 1)
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

// The drain does not wait for connections that are asleep, and takes the last request of one that is just waking up.
func TestDrainOfSleepingConnections(t *testing.T) {
	entered, proceed := make(chan struct{}), make(chan struct{})
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) == "/wait" {
			close(entered)
			<-proceed
		}
	})
	asleep := r.dial(t)
	io.WriteString(asleep, get)
	in := bufio.NewReader(asleep)
	readAnswer(t, in)
	r.asleep(t, 1)
	busy := r.dial(t)
	io.WriteString(busy, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	receive(t, "the request", entered)
	io.WriteString(asleep, get)
	r.stop()
	// It may have been answered before the drain began, and does not say then that the connection ends.
	if resp, _, _ := readAnswer(t, in); resp.StatusCode != 200 {
		t.Errorf("the last request got %d", resp.StatusCode)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the last answer: %v, want EOF", err)
	}
	close(proceed)
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
}
