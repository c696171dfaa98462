//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ganglion/internal/hop"
	"ganglion/internal/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cabledEcho is a cable to a server that sends back what it gets.
func cabledEcho(t *testing.T) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	c, err := newCable(free(t), ln.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.close()
		ln.Close()
		<-ended
	})
	return c
}

// free is an address that stays free while the cable is clogged: nobody gets it who asks the kernel for a port meanwhile.
func free(t *testing.T) string {
	t.Helper()
	addresses, err := stack.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

func dial(t *testing.T, c *cable) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// echo sends p and returns what comes back before the connection ends or as much has come.
func echo(conn net.Conn, p []byte) ([]byte, error) {
	if _, err := conn.Write(p); err != nil {
		return nil, err
	}
	got := make([]byte, len(p))
	n, err := io.ReadFull(conn, got)
	return got[:n], err
}

func TestCableDoesWhatItIsTold(t *testing.T) {
	c := cabledEcho(t)
	message := bytes.Repeat([]byte("0123456789"), spared/10+1)
	conn := dial(t, c)
	if got, err := echo(conn, message); err != nil || !bytes.Equal(got, message) {
		t.Fatalf("a whole cable: %v, %d bytes", err, len(got))
	}
	c.damage.Store(garbles)
	if got, err := echo(conn, message); err != nil || bytes.Equal(got, message) {
		t.Errorf("a cable that garbles: %v, and the same %d bytes", err, len(got))
	}
	c.damage.Store(cuts)
	if got, err := echo(conn, message); !errors.Is(err, io.ErrUnexpectedEOF) || len(got) == 0 || len(got) >= len(message) {
		t.Errorf("a cable that cuts: %v, %d of %d bytes", err, len(got), len(message))
	}
	c.damage.Store(resets)
	if _, err := echo(dial(t, c), message); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a cable that resets: %v", err)
	}
	c.damage.Store(whole)
	if got, err := echo(dial(t, c), message); err != nil || !bytes.Equal(got, message) {
		t.Errorf("a cable made whole: %v, %d bytes", err, len(got))
	}
}

func TestCloggedCableLeavesEverybodyWaiting(t *testing.T) {
	c := cabledEcho(t)
	if err := c.clog(context.Background()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", c.address, 200*time.Millisecond)
	if err == nil { // the kernel may have let one in whose handshake is not over
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, err = echo(conn, []byte("anybody?"))
	}
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("got %v, want no answer at all", err)
	}
	if err := c.unclog(); err != nil {
		t.Fatal(err)
	}
	if got, err := echo(dial(t, c), []byte("and now?")); err != nil || string(got) != "and now?" {
		t.Errorf("once it is free: %q, %v", got, err)
	}
}

func TestFrontAnswersForItsNode(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(hop.LoadHeader, "TEXT named_metrics.queue_depth=3")
		_, _ = w.Write([]byte(r.Method + r.URL.Path))
	}))
	defer node.Close()
	f := newFront(strings.TrimPrefix(node.URL, "http://"))
	s, err := serve(free(t), f, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	defer s.close()
	ask := func() (int, string, string) {
		resp, err := http.Post("http://"+s.address+"/v2/models/m/infer", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header.Get(hop.LoadHeader)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if status, body, load := ask(); status != 200 || body != "POST/v2/models/m/infer" || load == "" {
		t.Errorf("well: %d %q, load %q", status, body, load)
	}
	f.sick.Store(&internalError)
	if status, body, _ := ask(); status != 500 || body != string(internalError.body) {
		t.Errorf("sick: %d %q", status, body)
	}
	f.sick.Store(nil)
	if status, _, _ := ask(); status != 200 {
		t.Errorf("well again: %d", status)
	}
}
