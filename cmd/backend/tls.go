package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"ganglion/internal/certs"
)

// checkTLS wants the flags of TLS to make sense together.
func checkTLS(c *certs.ServerConfig) error {
	switch {
	case c.Cert != "" && c.Key == "":
		return errors.New("--tls-cert needs the certificate's key: add --tls-key")
	case c.Cert == "" && c.Key != "":
		return errors.New("--tls-key needs the key's certificate: add --tls-cert")
	case c.Cert == "" && c.ClientCA != "":
		return errors.New("--tls-client-ca needs TLS: add --tls-cert and --tls-key")
	}
	return nil
}

// security is the TLS of the ports; nil where it is off.
type security struct {
	http, grpc *tls.Config
	word       string // for the log: "off", "on" or "mutual"
}

// secure reads the certificates, if there are to be any.
func secure(c certs.ServerConfig, log *slog.Logger) (security, error) {
	if c.Cert == "" {
		return security{word: "off"}, nil
	}
	server, err := certs.NewServer(c, log)
	if err != nil {
		return security{}, fmt.Errorf("%s: %w", flagOf(err), err)
	}
	s := security{http: server.Config(certs.HTTP), grpc: server.Config(certs.GRPC), word: "on"}
	if c.ClientCA != "" {
		s.word = "mutual"
	}
	return s, nil
}

// flagOf names the flag whose file is at fault.
func flagOf(err error) string {
	if fault, ok := errors.AsType[*certs.FileError](err); ok {
		switch fault.Role {
		case certs.Key:
			return "--tls-key"
		case certs.CA:
			return "--tls-client-ca"
		}
	}
	return "--tls-cert"
}
