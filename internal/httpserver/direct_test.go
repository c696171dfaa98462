package httpserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// Whatever the sizes and however slowly the client reads, bytes arrive whole and in order.
func TestWritesToASlowReader(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	r := start(t, testConfig(), echo)
	client, server := socketPair(t)
	c := &conn{TCPConn: server, server: r.Server}
	if err := c.direct.open(server); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		for rest, size := want, 1; len(rest) > 0; size = size%90_000 + 7919 {
			n, err := c.Write(rest[:min(size, len(rest))])
			if err != nil {
				done <- err
				return
			}
			rest = rest[n:]
		}
		done <- nil
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes arrived as they were, %v", len(got), len(want), err)
	}
	if err := receive(t, "the writer's end", done); err != nil {
		t.Error(err)
	}
}

// A client that is gone is an error of the write, and the end of the read.
func TestDirectErrors(t *testing.T) {
	r := start(t, testConfig(), echo)
	client, server := socketPair(t)
	c := &conn{TCPConn: server, server: r.Server}
	if err := c.direct.open(server); err != nil {
		t.Fatal(err)
	}
	c.restartClock()
	io.WriteString(client, "x")
	client.Close()
	if n, err := io.ReadFull(c, make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read at the end: %v", err)
	}
	eventually(t, "the write failing", func() bool {
		_, err := c.Write([]byte(strings.Repeat("y", 1000)))
		return err != nil
	})
	server.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read of a closed connection: %v", err)
	}
}

func socketPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}
