package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"ganglion/internal/certs"
)

// encrypt has clients speak TLS if cfg is there, and returns what those of gRPC need for it.
func (g *Gateway) encrypt(cfg *certs.ServerConfig) (overGRPC *tls.Config, err error) {
	if cfg == nil {
		return nil, nil
	}
	server, err := certs.NewServer(*cfg, g.log)
	if err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	g.server.Encrypt(server.Config(certs.HTTP))
	return server.Config(certs.GRPC), nil
}

// dialer makes connections to one node.
type dialer struct {
	address string
	secure  *certs.Client // nil = plain
}

// newSecure reads the certificates for the nodes of a pool; nil = TLS is not wanted.
func newSecure(cfg *certs.ClientConfig, log *slog.Logger) (*certs.Client, error) {
	if cfg == nil || !cfg.Enabled {
		return nil, nil
	}
	return certs.NewClient(*cfg, log)
}

// dial connects, TLS included, until the deadline, if there is one, or until ctx ends.
func (d dialer) dial(ctx context.Context, deadline time.Time) (net.Conn, error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	tcp := net.Dialer{Control: boundSilence}
	nc, err := tcp.DialContext(ctx, "tcp", d.address)
	if err != nil || d.secure == nil {
		return nc, err
	}
	c := tls.Client(nc, d.secure.Config(d.host(), certs.HTTP))
	if err := c.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("no TLS with the node: %w", err)
	}
	return c, nil
}

// host is what the node's certificate has to name.
func (d dialer) host() string {
	host, _, err := net.SplitHostPort(d.address)
	if err != nil {
		return d.address // the configuration was checked: only tests come here
	}
	return host
}

// credentials are how gRPC begins a connection.
func (d dialer) credentials() credentials.TransportCredentials {
	if d.secure == nil {
		return insecure.NewCredentials()
	}
	return tlsCredentials{credentials.NewTLS(nil), d}
}

// tlsCredentials are those of grpc-go with the certificates of the moment.
type tlsCredentials struct {
	credentials.TransportCredentials
	node dialer
}

// ClientHandshake implements credentials.TransportCredentials. The name in the certificate is the node's or the configured
// one, whatever the authority of calls is.
func (c tlsCredentials) ClientHandshake(ctx context.Context, _ string, nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	cfg := c.node.secure.Config(c.node.host(), certs.GRPC)
	return credentials.NewTLS(cfg).ClientHandshake(ctx, cfg.ServerName, nc)
}

// Clone implements credentials.TransportCredentials.
func (c tlsCredentials) Clone() credentials.TransportCredentials { return c }
