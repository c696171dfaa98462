package httpserver

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// leaver closes itself when its client leaves.
type leaver chan struct{}

func (l leaver) ClientGone() { close(l) }

// watching answers once its client has left, or it is told to; left says which of the two it was.
func watching(entered chan struct{}, proceed chan struct{}, left chan bool) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		l := make(leaver)
		Watch(ctx, l)
		defer Unwatch(ctx)
		entered <- struct{}{}
		select {
		case <-l:
			left <- true
		case <-proceed:
			left <- false
		}
	}
}

func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("not within 10 s: %s", what)
		panic("unreachable")
	}
}

func TestClientThatLeavesIsNoticed(t *testing.T) {
	for name, leave := range map[string]func(c *net.TCPConn){
		"closes":             func(c *net.TCPConn) { c.Close() },
		"resets":             func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"ends its direction": func(c *net.TCPConn) { c.CloseWrite() },
		"closes with another request on its way": func(c *net.TCPConn) {
			io.WriteString(c, get)
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			entered, left := make(chan struct{}, 4), make(chan bool, 4)
			proceed := make(chan struct{})
			r := start(t, testConfig(), watching(entered, proceed, left))
			c := r.dial(t)
			io.WriteString(c, get)
			receive(t, "the request", entered)
			leave(c.(*net.TCPConn))
			if !receive(t, "the end of the request", left) {
				t.Error("not told")
			}
			close(proceed)
		})
	}
}

// A client that stays is left in peace, request after request, whatever it sends ahead.
func TestClientThatStays(t *testing.T) {
	entered, left := make(chan struct{}), make(chan bool, 1)
	proceed := make(chan struct{})
	r := start(t, testConfig(), watching(entered, proceed, left))
	c := r.dial(t)
	in := bufio.NewReader(c)
	io.WriteString(c, get)
	for range 3 {
		receive(t, "the request", entered)
		io.WriteString(c, get) // the next one, ahead of its turn
		for range 5 {          // rounds
			select {
			case <-left:
				t.Fatal("told of a client that is there")
			case <-time.After(lookEvery):
			}
		}
		proceed <- struct{}{}
		if receive(t, "the end of the request", left) {
			t.Error("told of a client that is there")
		}
		if resp, _, _ := readAnswer(t, in); resp.StatusCode != 200 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
	receive(t, "the last request", entered)
	proceed <- struct{}{}
	receive(t, "its end", left)
}

// After Unwatch nobody is told, and a connection without requests leaves the list.
func TestUnwatched(t *testing.T) {
	l := make(leaver)
	r := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		Watch(ctx, l)
		Unwatch(ctx)
	})
	c := r.dial(t)
	io.WriteString(c, get)
	readAnswer(t, bufio.NewReader(c))
	var watchedConn *conn
	r.eachConn(func(c *conn) { watchedConn = c })
	eventually(t, "off the list", func() bool {
		watchedConn.watch.mu.Lock()
		defer watchedConn.watch.mu.Unlock()
		return !watchedConn.watch.listed
	})
	c.Close()
	eventually(t, "closed", func() bool { return r.Stats().Open == 0 })
	select {
	case <-l:
		t.Error("told after Unwatch")
	default:
	}
}
