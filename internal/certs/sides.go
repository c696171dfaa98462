package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
)

// HTTP and GRPC are what the two ends agree to speak on a connection, as ALPN names it.
const (
	HTTP = "http/1.1"
	GRPC = "h2"
)

// Server is the TLS of listeners.
type Server struct {
	kept *kept
	min  uint16
}

// NewServer reads the files of cfg. A file at fault is a [*FileError], the first one found.
func NewServer(cfg ServerConfig, log *slog.Logger) (*Server, error) {
	least, err := leastVersion(cfg.MinVersion)
	if err != nil {
		return nil, err
	}
	k, err := keep(cfg.files(), log)
	if err != nil {
		return nil, err
	}
	return &Server{kept: k, min: least}, nil
}

// Config is for a listener on which protocol is spoken. Each handshake uses what the files hold at that moment; connections
// that are open stay what they are.
func (s *Server) Config(protocol string) *tls.Config {
	return &tls.Config{
		MinVersion: s.min,
		NextProtos: []string{protocol},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m := s.kept.current()
			cfg := &tls.Config{MinVersion: s.min, NextProtos: []string{protocol}, Certificates: []tls.Certificate{*m.pair}}
			if m.roots != nil {
				cfg.ClientCAs, cfg.ClientAuth = m.roots, tls.RequireAndVerifyClientCert
			}
			return cfg, nil
		},
	}
}

// Client is the TLS of connections to others.
type Client struct {
	kept *kept
	min  uint16
	name string // that certificates have to name; "" = the host
}

// NewClient reads the files of cfg. A file at fault is a [*FileError], the first one found.
func NewClient(cfg ClientConfig, log *slog.Logger) (*Client, error) {
	least, err := leastVersion(cfg.MinVersion)
	if err != nil {
		return nil, err
	}
	k, err := keep(cfg.files(), log)
	if err != nil {
		return nil, err
	}
	return &Client{kept: k, min: least, name: cfg.ServerName}, nil
}

// Config is for one connection to host, a name or an IP address, on which protocol is to be spoken. It holds what the files hold
// now. Sessions are not resumed, so that every connection meets the certificates of its own time.
func (c *Client) Config(host, protocol string) *tls.Config {
	m := c.kept.current()
	cfg := &tls.Config{MinVersion: c.min, NextProtos: []string{protocol}, RootCAs: m.roots, ServerName: c.name}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if m.pair != nil {
		cfg.Certificates = []tls.Certificate{*m.pair}
	}
	return cfg
}

func leastVersion(name string) (uint16, error) {
	if v, ok := versionOf(name); ok {
		return v, nil
	}
	return 0, fmt.Errorf("TLS version %q is not known: accepted are \"1.2\" and \"1.3\"", name)
}
