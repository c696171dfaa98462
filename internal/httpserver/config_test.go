package httpserver

import (
	"net"
	"strings"
	"testing"

	"ganglion/internal/conf"
)

// checked decodes src over the defaults.
func checked(src string) string {
	var c struct {
		root
	}
	_, err := conf.Decode("f.toml", []byte(src), &c)
	if err == nil {
		return ""
	}
	return err.Error()
}

type root struct {
	Config
}

func (c *root) Check(r *conf.Report) { c.Config.Check(r) }

func TestDefaultsPass(t *testing.T) {
	if got := checked(""); got != "" {
		t.Error(got)
	}
}

func TestBadValues(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		if got := checked(src); strings.TrimPrefix(strings.TrimPrefix(got, "f.toml"), ":1") != ": "+want {
			t.Errorf("%s\ngot  %s\nwant %s", src, got, want)
		}
	}
	f(`max_body = 0`, `max_body: 0B is out of range: accepts 1KiB to 2GiB`)
	f(`max_body = "1GiB"`, `max_body_memory: 512MiB is less than twice max_body (1GiB): a body that outgrows its buffer is in memory twice for a moment`)
	f(`max_header = "1KiB"`, `max_header: 1KiB is out of range: accepts 4KiB to 1MiB`)
	f(`max_connections = -1`, `max_connections: -1 is negative: accepts 1 or more, or 0 for half of the descriptor limit`)
	f(`read_timeout = "0s"`, `read_timeout: 0s is out of range: accepts 100ms to 1h0m0s`)
	f(`write_timeout = "2h"`, `write_timeout: 2h0m0s is out of range: accepts 100ms to 1h0m0s`)
	f(`idle_timeout = "-1s"`, `idle_timeout: -1s is out of range: accepts 100ms to 1h0m0s`)
	f(`drain_timeout = "-1s"`, `drain_timeout: -1s is out of range: accepts 0s to 1h0m0s`)
}

func TestListenSaysWhatToDo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f := func(addr, want string) {
		t.Helper()
		got, err := Listen(addr)
		if err == nil {
			got.Close()
			t.Fatalf("Listen(%q) worked", addr)
		}
		if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got  %v\nwant %s…", err, want)
		}
	}
	taken := ln.Addr().String()
	f(taken, `cannot listen on "`+taken+`": address already in use: another process holds the port; stop it`)
	f("192.0.2.1:0", `cannot listen on "192.0.2.1:0": cannot assign requested address: this host has no such address`)
	f("nonsense", `cannot listen on "nonsense": address nonsense: missing port in address`)
	f("127.0.0.1:99999", `cannot listen on "127.0.0.1:99999": address 99999: invalid port`)
}
