package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ganglion/internal/certs/certstest"
	"ganglion/internal/conf"
)

// shake has the two sides meet, and returns what each says of it. The client has read an answer when it is content.
func shake(t *testing.T, server *tls.Config, client *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		c := tls.Server(nc, server)
		if err = c.Handshake(); err == nil {
			_, err = c.Write([]byte("x"))
		}
		done <- err
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
		c.Close()
	}
	return err, <-done
}

func newServer(t *testing.T, cfg ServerConfig, log io.Writer) *Server {
	t.Helper()
	cfg.MinVersion = "1.3"
	s, err := NewServer(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newClient(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	cfg.MinVersion = "1.3"
	c, err := NewClient(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhoIsLetIn(t *testing.T) {
	ours, theirs := certstest.New(t), certstest.New(t)
	node, edge, stranger := ours.Valid(t), ours.Valid(t), theirs.Valid(t)
	old := ours.Issue(t, time.Now().Add(-time.Minute))
	mutual := ServerConfig{Cert: node.Cert, Key: node.Key, ClientCA: ours.File}
	oneWay := ServerConfig{Cert: node.Cert, Key: node.Key}
	expired := ServerConfig{Cert: old.Cert, Key: old.Key}
	for _, test := range []struct {
		name   string
		server ServerConfig
		client ClientConfig
		want   string // part of the client's error; "" = content
	}{
		{"server's certificate only", oneWay, ClientConfig{CA: ours.File}, ""},
		{"both", mutual, ClientConfig{CA: ours.File, Cert: edge.Cert, Key: edge.Key}, ""},
		{"another name", oneWay, ClientConfig{CA: ours.File, ServerName: "node"}, ""},
		{"a name that is not its own", oneWay, ClientConfig{CA: ours.File, ServerName: "other"}, "not other"},
		{"another authority", oneWay, ClientConfig{CA: theirs.File}, "unknown authority"},
		{"the system's authorities", oneWay, ClientConfig{}, "unknown authority"},
		{"expired server", expired, ClientConfig{CA: ours.File}, "expired"},
		{"no client certificate", mutual, ClientConfig{CA: ours.File}, "certificate required"},
		{"a stranger's client certificate", mutual, ClientConfig{CA: ours.File, Cert: stranger.Cert, Key: stranger.Key}, "unknown certificate authority"},
		{"expired client", mutual, ClientConfig{CA: ours.File, Cert: old.Cert, Key: old.Key}, "expired certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, at := shake(t, newServer(t, test.server, io.Discard).Config(HTTP), newClient(t, test.client).Config("127.0.0.1", HTTP))
			switch {
			case test.want == "" && (got != nil || at != nil):
				t.Errorf("got %v, the server %v", got, at)
			case test.want != "" && (got == nil || at == nil || !strings.Contains(got.Error(), test.want)):
				t.Errorf("got %v, the server %v, want %q", got, at, test.want)
			}
		})
	}
}

// TLS 1.2 is spoken only with those that ask for it.
func TestVersions(t *testing.T) {
	ca := certstest.New(t)
	pair := ca.Valid(t)
	old := &tls.Config{RootCAs: ca.Pool(), MaxVersion: tls.VersionTLS12}
	if err, _ := shake(t, newServer(t, ServerConfig{Cert: pair.Cert, Key: pair.Key}, io.Discard).Config(HTTP), old); err == nil {
		t.Error("TLS 1.2 was let in")
	}
	s, err := NewServer(ServerConfig{Cert: pair.Cert, Key: pair.Key, MinVersion: "1.2"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err, _ := shake(t, s.Config(HTTP), old); err != nil {
		t.Errorf("TLS 1.2 with min_version 1.2: %v", err)
	}
	if _, err := NewServer(ServerConfig{Cert: pair.Cert, Key: pair.Key, MinVersion: "1.1"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

// Certificates are renewed below a running program; a renewal that went wrong changes nothing.
func TestFilesThatChange(t *testing.T) {
	ca, next := certstest.New(t), certstest.New(t)
	node, edge := ca.Valid(t), ca.Valid(t)
	var log bytes.Buffer
	server := newServer(t, ServerConfig{Cert: node.Cert, Key: node.Key, ClientCA: ca.File}, &log).Config(HTTP)
	client := newClient(t, ClientConfig{CA: ca.File, Cert: edge.Cert, Key: edge.Key})
	meet := func(when string) {
		t.Helper()
		if err, at := shake(t, server, client.Config("127.0.0.1", HTTP)); err != nil || at != nil {
			t.Fatalf("%s: %v, the server %v", when, err, at)
		}
	}
	meet("at first")

	if err := os.WriteFile(node.Key, []byte("half of a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	meet("with a broken key")
	meet("with a broken key, again")
	if got := strings.Count(log.String(), "cannot be used; the old ones stay in use"); got != 1 {
		t.Errorf("the log says it %d times:\n%s", got, &log)
	}

	// Everything moves to another authority, the server first.
	next.Renew(t, node, time.Now().Add(time.Hour))
	if err, _ := shake(t, server, client.Config("127.0.0.1", HTTP)); err == nil {
		t.Fatal("the certificate of the new authority was not shown, or the old authority trusted it")
	}
	next.Renew(t, edge, time.Now().Add(time.Hour))
	text, err := os.ReadFile(next.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
	meet("after the move")
	if !strings.Contains(log.String(), "were read again") {
		t.Errorf("the log does not tell:\n%s", &log)
	}
}

func TestFilesAtFault(t *testing.T) {
	ca := certstest.New(t)
	one, other := ca.Valid(t), ca.Valid(t)
	missing, junk := filepath.Join(t.TempDir(), "missing.pem"), filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("-----BEGIN CERTIFICATE-----\nMIIB"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cfg  ServerConfig
		role Role
		want string
	}{
		{ServerConfig{Cert: missing, Key: one.Key}, Cert, `cannot read "` + missing + `": no such file`},
		{ServerConfig{Cert: junk, Key: one.Key}, Cert, "holds no certificate, or half of one"},
		{ServerConfig{Cert: one.Key, Key: one.Key}, Cert, "holds no certificate"},
		{ServerConfig{Cert: one.Cert, Key: missing}, Key, `cannot read "` + missing + `"`},
		{ServerConfig{Cert: one.Cert, Key: one.Cert}, Key, "holds no key that can be used"},
		{ServerConfig{Cert: one.Cert, Key: other.Key}, Key, "does not belong to the certificate"},
		{ServerConfig{Cert: one.Cert, Key: one.Key, ClientCA: one.Key}, CA, "holds no certificate"},
	} {
		test.cfg.MinVersion = "1.3"
		_, err := NewServer(test.cfg, slog.New(slog.DiscardHandler))
		fault, ok := errors.AsType[*FileError](err)
		if !ok || fault.Role != test.role || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want role %d and %q", test.cfg, err, test.role, test.want)
		}
	}
}

// An expired certificate is worth a warning; it may be replaced before anybody connects.
func TestExpired(t *testing.T) {
	old := certstest.New(t).Issue(t, time.Now().Add(-time.Minute))
	var log bytes.Buffer
	newServer(t, ServerConfig{Cert: old.Cert, Key: old.Key}, &log)
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "the certificate expired at 20") {
		t.Errorf("got %s", &log)
	}
}

// tables is a file with both kinds.
type tables struct {
	Server *ServerConfig `toml:"server"`
	Client *ClientConfig `toml:"client"`
}

// Check implements conf.Checker.
func (c *tables) Check(r *conf.Report) {
	if c.Server != nil {
		c.Server.Check(r.At("server"))
	}
	if c.Client != nil {
		c.Client.Check(r.At("client"))
	}
}

func TestTables(t *testing.T) {
	ca := certstest.New(t)
	one, other, old := ca.Valid(t), ca.Valid(t), ca.Issue(t, time.Now().Add(-time.Minute))
	for _, test := range []struct{ file, want string }{
		{"[client]\n", ""},
		{"[client]\nca = \"" + ca.File + "\"\ncert = \"" + one.Cert + "\"\nkey = \"" + one.Key + "\"\nserver_name = \"node\"\n", ""},
		{"[client]\nenabled = false\nca = \"nowhere.pem\"\n", ""},
		{"[client]\nca = \"nowhere.pem\"\n", `f:2: client.ca: cannot read "nowhere.pem": no such file or directory`},
		{"[client]\n\ncert = \"" + one.Cert + "\"\n", "f:3: client.cert: has no key"},
		{"[client]\nkey = \"" + one.Key + "\"\n", "f:2: client.key: has no certificate"},
		{"[client]\nserver_name = \"node:9000\"\n", `f:2: client.server_name: "node:9000" is no name`},
		{"[client]\nmin_version = \"1.1\"\n", `f:2: client.min_version: "1.1" is not known`},
		{"[client]\ninsecure = true\n", "f:2: client.insecure: unknown key"},
		{"[server]\ncert = \"" + one.Cert + "\"\nkey = \"" + one.Key + "\"\nclient_ca = \"" + ca.File + "\"\n", ""},
		{"[server]\nclient_ca = \"" + ca.File + "\"\n", "f:1: server.cert: is missing"},
		{"[server]\ncert = \"" + one.Cert + "\"\nkey = \"" + other.Key + "\"\n", "f:3: server.key: key"},
		{"[server]\ncert = \"" + old.Cert + "\"\nkey = \"" + old.Key + "\"\n", "f:2: server.cert: the certificate expired at"},
	} {
		warnings, err := conf.Decode("f", []byte(test.file), new(tables))
		got := warnings.Error()
		if err != nil {
			got += err.Error()
		}
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s\ngot  %s\nwant %s", test.file, got, test.want)
		}
	}
}
