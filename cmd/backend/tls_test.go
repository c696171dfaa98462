package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/certs/certstest"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testlog"
)

// TestServeMutualTLS: both ports let in who shows a certificate, and nobody else; health is no exception.
func TestServeMutualTLS(t *testing.T) {
	t.Setenv("ORT_LIBRARY", onnxtest.Library(t))
	ca := certstest.New(t)
	node, edge := ca.Valid(t), ca.Valid(t).Load(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log testlog.Log
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"serve", "--models", filepath.Join(onnxtest.Root(t), "models"), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
			"--device", "cpu", "--tls-cert", node.Cert, "--tls-key", node.Key, "--tls-client-ca", ca.File,
		}, io.Discard, &log)
	}()
	address := waitField(t, &log, done, "serving", "address")
	if got := waitField(t, &log, done, "serving", "tls"); got != "mutual" {
		t.Errorf("the log says tls %q", got)
	}
	known := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{edge}}
	if got := liveness(t, "https://"+address, known); got != "200 OK" {
		t.Errorf("with a certificate: %s", got)
	}
	if got := liveness(t, "https://"+address, &tls.Config{RootCAs: ca.Pool()}); !strings.Contains(got, "certificate required") {
		t.Errorf("without a certificate: %s", got)
	}
	if got := liveness(t, "http://"+address, nil); got != "400 Bad Request" {
		t.Errorf("without TLS: %s", got)
	}
	rpcs := waitField(t, &log, done, "serving", "grpc")
	if err := liveRPC(t, rpcs, known); err != nil {
		t.Errorf("gRPC with a certificate: %v", err)
	}
	if err := liveRPC(t, rpcs, &tls.Config{RootCAs: ca.Pool()}); err == nil {
		t.Error("gRPC lets in clients without a certificate")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// liveness is the status of GET /v2/health/live, or what is in its way.
func liveness(t *testing.T, url string, cfg *tls.Config) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	response, err := client.Get(url + "/v2/health/live")
	if err != nil {
		return err.Error()
	}
	response.Body.Close()
	return response.Status
}

func liveRPC(t *testing.T, address string, cfg *tls.Config) error {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = pb.NewGRPCInferenceServiceClient(conn).ServerLive(ctx, &pb.ServerLiveRequest{})
	return err
}

// TestCertificatesAtFault: one line that names the flag, before anything is loaded.
func TestCertificatesAtFault(t *testing.T) {
	t.Setenv("ORT_LIBRARY", onnxtest.Library(t))
	ca := certstest.New(t)
	one, other := ca.Valid(t), ca.Valid(t)
	for _, test := range []struct{ cert, key, clientCA, want string }{
		{"missing.pem", one.Key, "", `--tls-cert: cannot read "missing.pem": no such file or directory`},
		{one.Cert, other.Key, "", "--tls-key: key "},
		{one.Cert, one.Key, one.Key, "--tls-client-ca: "},
	} {
		args := []string{"serve", "--http", "127.0.0.1:0", "--grpc", "", "--tls-cert", test.cert, "--tls-key", test.key}
		if test.clientCA != "" {
			args = append(args, "--tls-client-ca", test.clientCA)
		}
		err := run(t.Context(), args, io.Discard, new(bytes.Buffer))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
