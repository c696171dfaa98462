package hop

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hijacked reads what an HTTP server had buffered before the upgrade, and is otherwise the connection itself: as what
// fasthttp hands to hijack handlers.
type hijacked struct {
	net.Conn
	r io.Reader
}

func (h *hijacked) Read(p []byte) (int, error) { return h.r.Read(p) }
func (h *hijacked) UnsafeConn() net.Conn       { return h.Conn }

// upgrading is an HTTP server on whose port the hop is spoken too.
func upgrading(t *testing.T, server *Server, ended chan error) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := Negotiate([]byte(r.Header.Get("Upgrade")))
		if !ok {
			io.WriteString(w, `{"live":true}`)
			return
		}
		nc, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+token+"\r\n\r\n")
		ended <- server.Serve(context.Background(), &hijacked{nc, buffered.Reader})
	}))
}

func TestUpgradeOnAnHTTPPort(t *testing.T) {
	server, err := NewServer(echo, DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	web := upgrading(t, server, ended)
	defer web.Close()
	addr := strings.TrimPrefix(web.URL, "http://")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := Upgrade(nc, addr, time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := Open(nc, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	var x Exchange
	for _, size := range []int{10, 100_000, 3 << 20} {
		body := noise(1, size)
		if err := c.Do(post(&x, body)); err != nil || string(x.Response.Body) != string(body) {
			t.Errorf("%d bytes: got %d and %v", size, len(x.Response.Body), err)
		}
	}
	response, err := http.Get(web.URL + UpgradePath) // the port still speaks HTTP
	if err != nil || response.StatusCode != 200 {
		t.Errorf("plain request: %v", err)
	}
	response.Body.Close()
	stop()
	if err := errors.Join(<-ran, <-ended); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A server of another kind answers the question as it answers everybody, and the client knows what it is.
func TestServerThatDoesNotSpeakTheHop(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"live":true}`) }))
	defer web.Close()
	addr := strings.TrimPrefix(web.URL, "http://")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	err = Upgrade(nc, addr, time.Now().Add(5*time.Second))
	if e, ok := errors.AsType[*NotSpokenError](err); !ok || e.Status != 200 {
		t.Errorf("got %v, want NotSpokenError with 200", err)
	}
}

func TestAnswersToAnUpgrade(t *testing.T) {
	for _, test := range []struct{ name, answer, want string }{
		{"agreed", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: ganglion-hop/1\r\n\r\n", ""},
		{"agreed in capitals", "HTTP/1.1 101 X\r\nupgrade: GANGLION-HOP/1 \r\n\r\n", ""},
		{"another version", "HTTP/1.1 101 X\r\nUpgrade: ganglion-hop/2\r\n\r\n", "does not name"},
		{"nothing named", "HTTP/1.1 101 X\r\n\r\n", "does not name"},
		{"bytes too early", "HTTP/1.1 101 X\r\nUpgrade: ganglion-hop/1\r\n\r\nhello", "before the client has spoken"},
		{"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n", "answered 404"},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1"},
		{"no status", "HTTP/1.1 \r\n\r\n", "not HTTP/1"},
		{"cut off", "HTTP/1.1 101 Swi", "EOF"},
		{"endless", "HTTP/1.1 101 X\r\n" + strings.Repeat("A: b\r\n", 2000), "over 8192 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, server := connected(t)
			defer client.Close()
			asked := make(chan string, 1)
			go func() {
				defer server.Close()
				request, err := http.ReadRequest(bufio.NewReader(server))
				if err != nil {
					t.Error(err)
					return
				}
				asked <- request.URL.Path + " " + request.Header.Get("Upgrade") + " " + request.Host
				io.WriteString(server, test.answer)
			}()
			err := Upgrade(client, "node:9000", time.Now().Add(5*time.Second))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if got := within(t, "the request", asked); got != "/v2/health/live ganglion-hop/1 node:9000" {
				t.Errorf("asked %q", got)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	for offer, want := range map[string]bool{
		"ganglion-hop/1": true, "h2c, ganglion-hop/1": true, "ganglion-hop/2,Ganglion-Hop/1": true,
		"": false, "h2c": false, "ganglion-hop/11": false, "ganglion-hop": false, "ganglion-hop/2": false,
	} {
		if token, ok := Negotiate([]byte(offer)); ok != want || ok && token != Token {
			t.Errorf("Negotiate(%q) = %q, %v", offer, token, ok)
		}
	}
}

func TestHostsThatWouldSplitTheRequest(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if err := Upgrade(client, "a\r\nX: y", time.Now().Add(time.Second)); err == nil {
		t.Error("a host with a line end was accepted")
	}
}

func TestSlowHandshakeIsGivenUp(t *testing.T) {
	client, server := connected(t)
	defer server.Close()
	cfg := DefaultConfig()
	cfg.HandshakeTimeout = 30 * time.Millisecond
	if _, err := Open(client, cfg); !errors.Is(err, errNoSettings) {
		t.Errorf("Open returned %v", err)
	}
	client, server = connected(t)
	defer client.Close()
	s, err := NewServer(echo, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(context.Background(), server); !errors.Is(err, errNoSettings) {
		t.Errorf("Serve returned %v", err)
	}
}
