package hop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"
)

// certificates returns a certificate for 127.0.0.1 that both sides show and trust.
func certificates(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hop test"}, DNSNames: []string{"node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// overTLS is loopback with both sides authenticated.
func overTLS(t *testing.T, h Handler) *pair {
	t.Helper()
	cert, pool := certificates(t)
	client, server := connected(t)
	secureClient := tls.Client(client, &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "node"})
	secureServer := tls.Server(server, &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	return start(t, secureClient, secureServer, DefaultConfig(), DefaultConfig(), h)
}

func TestMutualTLS(t *testing.T) {
	p := overTLS(t, echo)
	var wg sync.WaitGroup
	for caller := range 16 {
		wg.Go(func() {
			var x Exchange
			for i := range 20 {
				body := noise(uint64(caller*100+i), (i*i*i*157)%2_000_000)
				if err := p.conn.Do(post(&x, body)); err != nil {
					t.Errorf("%d bytes: %v", len(body), err)
				} else if !bytes.Equal(x.Response.Body, body) {
					t.Errorf("%d bytes: another body came back", len(body))
				}
			}
		})
	}
	wg.Wait()
	if p.conn.link.peer.chunkSums != 0 {
		t.Error("chunks are summed although TLS does that")
	}
}

// A deadline goes off in the middle of TLS records: the connection goes on.
func TestAlarmsDoNotHarmTLS(t *testing.T) {
	p := overTLS(t, func(ctx context.Context, req *Request, resp *Response) {
		if len(req.Body) == 0 {
			<-ctx.Done()
			return
		}
		echo(ctx, req, resp)
	})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			var x Exchange
			post(&x, nil)
			x.Request.Deadline = time.Now().Add(time.Duration(i) * time.Millisecond)
			if err := p.conn.Do(&x); codeIn(t, err) != CodeDeadline {
				t.Errorf("got %v, want deadline", err)
			}
		})
	}
	var x Exchange
	for i := range 30 {
		body := noise(uint64(i), 400_000)
		if err := p.conn.Do(post(&x, body)); err != nil || !bytes.Equal(x.Response.Body, body) {
			t.Errorf("beside alarms: %v", err)
		}
	}
	wg.Wait()
}
