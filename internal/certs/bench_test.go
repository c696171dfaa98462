package certs

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"testing"

	"ganglion/internal/certs/certstest"
)

// BenchmarkMutualHandshake is a connection with certificates on both sides, and both sides' work.
func BenchmarkMutualHandshake(b *testing.B) {
	ca := certstest.New(b)
	node, edge := ca.Valid(b), ca.Valid(b)
	server, err := NewServer(ServerConfig{Cert: node.Cert, Key: node.Key, ClientCA: ca.File, MinVersion: "1.3"}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	client, err := NewClient(ClientConfig{CA: ca.File, Cert: edge.Cert, Key: edge.Key, MinVersion: "1.3"}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() {
			c := tls.Server(far, server.Config(HTTP))
			_, err := c.Write([]byte("x"))
			done <- err
		}()
		c := tls.Client(near, client.Config("127.0.0.1", HTTP))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		near.Close()
		far.Close()
	}
}

// BenchmarkLook is what a handshake pays for knowing that the files have not changed.
func BenchmarkLook(b *testing.B) {
	ca := certstest.New(b)
	pair := ca.Valid(b)
	k, err := keep(files{cert: pair.Cert, key: pair.Key, ca: ca.File}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		k.current()
	}
}
