package hop

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

func TestBodiesOfEverySizeComeBack(t *testing.T) {
	p := loopback(t, echo)
	var x Exchange
	for _, size := range []int{0, 1, 150, inlineBody - 1, inlineBody, inlineBody + 1, chunkSize, chunkSize + 1, 600_000, 1 << 20, 3<<20 + 7, 20 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			body := make([]byte, size)
			rand.Read(body)
			if err := p.conn.Do(post(&x, body)); err != nil {
				t.Fatal(err)
			}
			if x.Response.Status != 200 || !bytes.Equal(x.Response.Body, body) {
				t.Fatalf("got status %d and %d bytes, want 200 and the %d bytes sent", x.Response.Status, len(x.Response.Body), size)
			}
		})
	}
}

func TestUnixSockets(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "hop"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, client, server, DefaultConfig(), DefaultConfig(), echo)
	var x Exchange
	for _, size := range []int{100, 5 << 20} {
		body := noise(1, size)
		if err := p.conn.Do(post(&x, body)); err != nil || !bytes.Equal(x.Response.Body, body) {
			t.Errorf("%d bytes: got %d and %v", size, len(x.Response.Body), err)
		}
	}
}

// The caller's memory is used when it is large enough, whatever the size of the body.
func TestBodiesGoToTheCallersMemory(t *testing.T) {
	p := loopback(t, echo)
	memory := make([]byte, 0, 4<<20)
	for _, size := range []int{10, inlineBody + 1, 1 << 20, 3 << 20} {
		var x Exchange
		post(&x, noise(1, size))
		x.Response.Body = memory
		if err := p.conn.Do(&x); err != nil {
			t.Fatal(err)
		}
		if &x.Response.Body[0] != &memory[:1][0] {
			t.Errorf("%d bytes went elsewhere", size)
		}
	}
}
