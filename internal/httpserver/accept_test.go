package httpserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// faulty fails Accept with each of its errors in turn, then works.
type faulty struct {
	net.Listener
	mu   sync.Mutex
	errs []error
}

func (f *faulty) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return f.Listener.Accept()
}

func TestAcceptSurvivesShortages(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shortages := []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED}
	r := startOn(t, &faulty{Listener: ln, errs: shortages}, New("test", testConfig(), echo, slog.New(slog.DiscardHandler)))
	if resp, _, _ := r.raw(t, get); resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if n := r.Stats().AcceptRetries; n != uint64(len(shortages)) {
		t.Errorf("counted %d retries, want %d", n, len(shortages))
	}
}

func TestAcceptGivesUpOnABrokenListener(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New("test", testConfig(), echo, slog.New(slog.DiscardHandler))
	err = s.Run(context.Background(), &faulty{Listener: ln, errs: []error{syscall.EBADF}})
	if want := fmt.Sprintf("cannot accept connections on %s: accept tcp: accept4: bad file descriptor", ln.Addr()); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestServesAgainAfterDescriptorsRanOut floods a real process that has 60 descriptors with 200 connections.
func TestServesAgainAfterDescriptorsRanOut(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), helperEnv+"=60")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSpace(line)

	flood := make([]net.Conn, 200)
	for i := range flood {
		if flood[i], err = net.Dial("tcp", addr); err != nil {
			t.Fatal(err)
		}
	}
	// One descriptor too many is in use when a connection is not answered any more.
	last := flood[len(flood)-1]
	_, _ = io.WriteString(last, get)
	_ = last.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, _ := last.Read(make([]byte, 1)); n > 0 {
		t.Fatal("the flood did not exhaust the descriptors")
	}
	for _, c := range flood {
		c.Close()
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr)
	if err != nil {
		t.Fatalf("after the flood: %v", err)
	}
	resp.Body.Close()
}

func TestOneConnectionTooMany(t *testing.T) {
	cfg := testConfig()
	cfg.MaxConnections = 2
	r := start(t, cfg, func(ctx *fasthttp.RequestCtx) {})
	first, second := r.dial(t), r.dial(t)
	eventually(t, "both are in", func() bool { return r.Stats().Open == 2 })

	resp, body, closed := r.raw(t, get)
	wantError(t, resp, body, 503, "more than 2 connections are open (max_connections); try again")
	if resp.Header.Get("Retry-After") != "1" || !closed || r.Stats().Refused != 1 {
		t.Errorf("Retry-After %q, closed %t, %+v", resp.Header.Get("Retry-After"), closed, r.Stats())
	}
	if _, err := io.WriteString(second, get); err != nil {
		t.Fatal(err)
	}
	if resp, _, _ := readAnswer(t, bufio.NewReader(second)); resp.StatusCode != 200 {
		t.Errorf("a connection that was in: got %d", resp.StatusCode)
	}
	first.Close()
	eventually(t, "there is room", func() bool { return r.Stats().Open == 1 })
	if resp, _, _ := r.raw(t, get); resp.StatusCode != 200 {
		t.Errorf("after one has left: got %d", resp.StatusCode)
	}
}
