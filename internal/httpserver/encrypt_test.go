package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/certs"
	"ganglion/internal/certs/certstest"
)

// secure is a server that speaks TLS, with clients' certificates if the authority of both is to see them.
type secure struct {
	*running
	ca *certstest.Authority
}

func startSecure(t *testing.T, cfg Config, mutual bool, h fasthttp.RequestHandler) secure {
	t.Helper()
	ca := certstest.New(t)
	pair := ca.Valid(t)
	files := certs.ServerConfig{Cert: pair.Cert, Key: pair.Key, MinVersion: "1.3"}
	if mutual {
		files.ClientCA = ca.File
	}
	server, err := certs.NewServer(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New("test", cfg, h, slog.New(slog.DiscardHandler))
	s.Encrypt(server.Config(certs.HTTP))
	return secure{startOn(t, ln, s), ca}
}

// dialTLS is dial with TLS, and a certificate if there is one.
func (s secure) dialTLS(t *testing.T, show ...tls.Certificate) *tls.Conn {
	t.Helper()
	return tls.Client(s.dial(t), &tls.Config{
		RootCAs: s.ca.Pool(), ServerName: "node", Certificates: show, NextProtos: []string{"h2", "http/1.1"},
	})
}

func post(body string) string {
	return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

func itoa(n int) string { return string(fasthttp.AppendUint(nil, n)) }

func TestTLSCarriesRequests(t *testing.T) {
	s := startSecure(t, testConfig(), false, func(ctx *fasthttp.RequestCtx) {
		if !Encrypted(ctx) {
			t.Error("a request over TLS is not known to be one")
		}
		echo(ctx)
	})
	c := s.dialTLS(t)
	in := bufio.NewReader(c)
	for _, size := range []int{1, 1000, 60_000, 3} { // small, and larger than a record
		body := strings.Repeat("abcde", size)[:size]
		if _, err := io.WriteString(c, post(body)); err != nil {
			t.Fatal(err)
		}
		if _, got, _ := readAnswer(t, in); got != body {
			t.Fatalf("%d bytes: got %d other ones", size, len(got))
		}
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("the protocol is %q", got)
	}
}

func TestPlainRequestsAreToldApart(t *testing.T) {
	plain := start(t, testConfig(), func(ctx *fasthttp.RequestCtx) {
		if Encrypted(ctx) {
			t.Error("a plain request passes for one over TLS")
		}
	})
	if resp, _, _ := plain.raw(t, post("x")); resp.StatusCode != http.StatusOK {
		t.Errorf("got %d", resp.StatusCode)
	}
	s := startSecure(t, testConfig(), false, echo)
	if resp, body, closed := s.raw(t, post("x")); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "speaks TLS") || !closed {
		t.Errorf("got %d %s, closed: %v", resp.StatusCode, body, closed)
	}
}

// A client without a certificate reads why it is sent away, although it had sent its request already.
func TestClientsWithoutCertificate(t *testing.T) {
	s := startSecure(t, testConfig(), true, echo)
	c := s.dialTLS(t)
	_, err := io.WriteString(c, post("x"))
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("got %v", err)
	}
	with := s.dialTLS(t, s.ca.Valid(t).Load(t))
	if _, err := io.WriteString(with, post("x")); err != nil {
		t.Fatal(err)
	}
	if _, got, _ := readAnswer(t, bufio.NewReader(with)); got != "x" {
		t.Errorf("got %q", got)
	}
}

// A client that connects and says nothing has the time that headers have.
func TestSilentHandshake(t *testing.T) {
	cfg := testConfig()
	cfg.ReadTimeout = 50 * time.Millisecond
	s := startSecure(t, cfg, false, echo)
	if n, err := s.dial(t).Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// An idle connection that waits in little memory comes back with its encryption intact.
func TestTLSDozes(t *testing.T) {
	s := startSecure(t, testConfig(), false, echo)
	c := s.dialTLS(t)
	in := bufio.NewReader(c)
	for _, pause := range []time.Duration{0, dozeAfter + dozeAfter/2, 0} {
		time.Sleep(pause) // there is nothing to see from outside
		if _, err := io.WriteString(c, post("again")); err != nil {
			t.Fatal(err)
		}
		if _, got, _ := readAnswer(t, in); got != "again" {
			t.Fatalf("got %q", got)
		}
	}
}

func TestLeavingIsNoticedBelowTLS(t *testing.T) {
	entered, left := make(chan struct{}, 1), make(chan bool, 1)
	s := startSecure(t, testConfig(), false, watching(entered, nil, left))
	c := s.dialTLS(t)
	if _, err := io.WriteString(c, post("x")); err != nil {
		t.Fatal(err)
	}
	receive(t, "the request", entered)
	c.Close()
	if !receive(t, "the handler's end", left) {
		t.Error("it ended for another reason")
	}
}

func TestHijackedTLS(t *testing.T) {
	s := startSecure(t, testConfig(), false, upgrade(func(ctx context.Context, nc net.Conn) {
		if _, ok := nc.(interface{ UnsafeConn() net.Conn }).UnsafeConn().(interface{ UnsafeConn() net.Conn }).UnsafeConn().(*tls.Conn); !ok {
			t.Error("the connection below is not that of TLS")
		}
		echoLines(ctx, nc)
	}))
	c := s.dialTLS(t)
	if _, err := io.WriteString(c, switching); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	io.WriteString(c, "hello\n")
	wantLine(t, in, "hello\n")
	s.stop()
	wantLine(t, in, "bye\n")
}

// The drain closes connections that are idle, that doze, or that have not begun, and loses nothing.
func TestTLSDrains(t *testing.T) {
	cfg := testConfig()
	s := startSecure(t, cfg, false, echo)
	s.dial(t) // in its handshake
	c := s.dialTLS(t)
	in := bufio.NewReader(c)
	io.WriteString(c, post("one"))
	readAnswer(t, in)
	s.stop()
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); err != nil || !bytes.Equal(rest, nil) {
		t.Errorf("a clean end was expected: %q, %v", rest, err)
	}
}

// Large refused bodies are heard out below TLS, so that the refusal is read.
func TestTLSRefusals(t *testing.T) {
	s := startSecure(t, testConfig(), false, echo)
	c := s.dialTLS(t)
	go io.WriteString(c, post(strings.Repeat("x", 4<<20))) // may be cut short
	if resp, body, _ := readAnswer(t, bufio.NewReader(c)); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}
