package httpserver

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowConfig has times that a test can wait for, and that a busy machine needs for what is not slow.
func slowConfig() Config {
	cfg := testConfig()
	cfg.ReadTimeout = 2 * time.Second
	cfg.IdleTimeout = 2 * time.Second
	return cfg
}

// trickle sends one byte of s every 50 ms, over and over, until the connection ends.
func trickle(t *testing.T, w io.Writer, s string) {
	t.Helper()
	for i := 0; ; i = (i + 1) % len(s) {
		if _, err := io.WriteString(w, s[i:i+1]); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond) // the attack itself
	}
}

func TestSlowClientsAreClosed(t *testing.T) {
	r := start(t, slowConfig(), echo)
	for name, tt := range map[string]struct{ at, drip, text string }{
		"header":       {"GET / HTTP/1.1\r\nHost: x\r\nA: ", "b", "did not arrive within 2s"},
		"body":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 10000), "y", "request body came too slowly: 100"},
		"small body":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", "y", "request body came too slowly: "},
		"first bytes":  {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n", "y", "first bytes of the body did not arrive within 2s"},
		"chunked body": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", "request body came too slowly"},
		"chunk length": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1;", "x", "request body came too slowly"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			if _, err := io.WriteString(c, tt.at); err != nil {
				t.Fatal(err)
			}
			go trickle(t, c, tt.drip)
			resp, body, _ := readAnswer(t, bufio.NewReader(c))
			wantError(t, resp, body, 408, tt.text)
		})
	}
}

func TestSilentConnectionsAreClosedWithoutAWord(t *testing.T) {
	t.Parallel()
	r := start(t, slowConfig(), echo)
	var connections sync.WaitGroup
	connections.Go(func() { // from the start
		if n, err := r.dial(t).Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("got %d bytes, %v, want EOF", n, err)
		}
	})
	t.Run("between requests", func(t *testing.T) {
		c := r.dial(t)
		if _, err := io.WriteString(c, get); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(c)
		if _, _, closed := readAnswer(t, br); closed {
			t.Fatal("closed after one request")
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("got %v, want EOF", err)
		}
	})
	connections.Wait()
	if n := r.Stats().BadRequests; n != 0 {
		t.Errorf("counted %d bad requests, want none", n)
	}
}

// TestLargeUploadMayTakeLonger: a body that keeps coming is given time for each MiB.
func TestLargeUploadMayTakeLonger(t *testing.T) {
	t.Parallel()
	cfg := slowConfig()
	cfg.MaxBody, cfg.MaxBodyMemory = 8<<20, 16<<20
	r := start(t, cfg, echo)
	c := r.dial(t)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6291456\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 6 {
			if _, err := io.CopyN(c, zeros{}, 1<<20); err != nil {
				return
			}
			time.Sleep(500 * time.Millisecond) // a slow uplink: 2.5 s until the last comes, which is more than the timeout
		}
	}()
	if resp, body, _ := readAnswer(t, bufio.NewReader(c)); resp.StatusCode != 200 || len(body) != 6<<20 {
		t.Errorf("got %d with %d bytes", resp.StatusCode, len(body))
	}
}
