package hop

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(benchNode); mode != "" {
		serveBench(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// connected returns the two ends of a TCP connection over loopback.
func connected(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// connectedWithin is connected, with so large a buffer for what the server does not read.
func connectedWithin(t testing.TB, size int) (client, server net.Conn) {
	t.Helper()
	listen := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, size) })
	}}
	ln, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// pair is a client and a server that run over one connection until the test ends.
type pair struct {
	conn       *Conn
	server     *Server
	clientEnd  chan error // what Run returned
	serverEnd  chan error // what Serve returned
	stopClient context.CancelFunc
	stopServer context.CancelFunc
}

// start runs both ends over the given connections.
func start(t testing.TB, clientSide, serverSide net.Conn, clientCfg, serverCfg Config, h Handler) *pair {
	t.Helper()
	return startObserved(t, clientSide, serverSide, clientCfg, serverCfg, h, Observer{})
}

func startObserved(t testing.TB, clientSide, serverSide net.Conn, clientCfg, serverCfg Config, h Handler, o Observer) *pair {
	t.Helper()
	server, err := NewServer(h, serverCfg, func(err error) { t.Log(err) })
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{server: server, clientEnd: make(chan error, 1), serverEnd: make(chan error, 1)}
	serverCtx, stopServer := context.WithCancel(context.Background())
	clientCtx, stopClient := context.WithCancel(context.Background())
	p.stopClient, p.stopServer = stopClient, stopServer
	go func() { p.serverEnd <- server.Serve(serverCtx, serverSide) }()
	p.conn, err = Open(clientSide, clientCfg)
	if err != nil {
		t.Fatal(err)
	}
	p.conn.Observe(o)
	go func() { p.clientEnd <- p.conn.Run(clientCtx) }()
	t.Cleanup(func() {
		stopClient()
		p.conn.Close()
		await(t, p.clientEnd)
		stopServer()
		await(t, p.serverEnd)
	})
	return p
}

// loopback is start with the defaults over TCP.
func loopback(t testing.TB, h Handler) *pair {
	t.Helper()
	client, server := connected(t)
	return start(t, client, server, DefaultConfig(), DefaultConfig(), h)
}

// loopbackWith is loopback with another configuration of the client.
func loopbackWith(t testing.TB, change func(*Config)) *pair {
	t.Helper()
	client, server := connected(t)
	cfg := DefaultConfig()
	change(&cfg)
	return start(t, client, server, cfg, DefaultConfig(), echo)
}

// await returns what comes out of ch, leaving it there for others, and fails the test if nothing does.
func await(t testing.TB, ch chan error) error {
	t.Helper()
	select {
	case err := <-ch:
		ch <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("an end of the connection did not come home within 20 s")
		return nil
	}
}

// echo answers with the request's body.
func echo(_ context.Context, req *Request, resp *Response) {
	resp.Status = 200
	resp.ContentType = req.ContentType
	resp.InferenceHeaderLength = req.InferenceHeaderLength
	resp.Body = append(resp.Body[:0], req.Body...)
}

// post readies x for a request with a body.
func post(x *Exchange, body []byte) *Exchange {
	x.Reset()
	x.Request.Method, x.Request.Path, x.Request.Body = MethodPost, []byte("/v2/models/m/infer"), body
	x.Request.ContentType = []byte("application/json")
	return x
}

// codeIn returns the code of an exchange's error.
func codeIn(t testing.TB, err error) Code {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got error %v of type %T, want *Error", err, err)
	}
	return e.Code
}
