// Stale measures the race that keep-alive cannot avoid: a node closes a connection that has been idle for too long at the very
// moment at which a proxy sends a request on it. The node here hangs up after 20 ms, and clients send POSTs around that
// moment; what counts is how many of them fail, for our gateway and for nginx and HAProxy where they are installed.
//
//	go run ./bench/stale
//
// There is one node, so that no other can save a request. Everything runs on loopback, and what is started here is stopped
// here.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/bench/harness"
	"ganglion/bench/inprocess"
)

const (
	clients, each = 16, 60
	// idle is when the node hangs up; clients pause for as long, less or more a millisecond, so that many meet it.
	idle      = 20 * time.Millisecond
	pauseFrom = 19 * time.Millisecond
	pauseStep = 100 * time.Microsecond
	pauses    = 20
)

func main() { harness.Main("stale", run) }

func run(ctx context.Context, args []string, stdout, _ io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: none is accepted", args[0])
	}
	fmt.Fprintf(stdout, "%d clients send %d POSTs each to a node that hangs up after %s\n\n", clients, each, idle)
	for _, s := range []system{{"ganglion", startGateway}, {"nginx", startNginx}, {"haproxy", startHAProxy}} {
		line, err := measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(stdout, "%-10s %s\n", s.name, line)
	}
	return nil
}

// system is a proxy to measure.
type system struct {
	name string
	// start runs it in front of the node and says where it listens; harness.ErrNotInstalled = it is not installed.
	start func(ctx context.Context, node, dir string) (url string, end func() error, err error)
}

func measure(ctx context.Context, s system) (line string, err error) {
	node, stop, err := startNode()
	if err != nil {
		return "", err
	}
	defer stop()
	dir, err := os.MkdirTemp("", "stale")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the temporary folder
	url, end, err := s.start(ctx, node.address, dir)
	if errors.Is(err, harness.ErrNotInstalled) {
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := await(ctx, url); err != nil {
		return "", err
	}
	node.accepted.Store(0)
	failed, first := load(ctx, url)
	line = fmt.Sprintf("%d of %d failed; %d connections to the node", failed, clients*each, node.accepted.Load())
	if first != nil {
		line += fmt.Sprintf("; the first: %v", first)
	}
	return line, ctx.Err()
}

// load sends the POSTs and counts those that fail.
func load(ctx context.Context, url string) (failed int64, first error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var count atomic.Int64
	var once sync.Once
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := range each {
				time.Sleep(pauseFrom + time.Duration((c*each+i)%pauses)*pauseStep)
				if err := post(ctx, client, url); err != nil {
					count.Add(1)
					once.Do(func() { first = err })
				}
			}
		})
	}
	group.Wait()
	return count.Load(), first
}

const question = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}`

func post(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v2/models/m/infer", bytes.NewReader([]byte(question)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// await waits until the proxy answers.
func await(ctx context.Context, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := post(ctx, client, url)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(late) {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// node answers at once, and hangs up after idle.
type node struct {
	address  string
	accepted atomic.Int64
}

func startNode() (*node, func(), error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	n := &node{address: ln.Addr().String()}
	server := &http.Server{
		IdleTimeout: idle, ReadHeaderTimeout: time.Minute,
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				n.accepted.Add(1)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"model_name":"m","outputs":[]}`)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends with Close
	}()
	return n, func() { _ = server.Close(); <-done }, nil
}

// startGateway runs ours, as it comes but for the access log.
func startGateway(ctx context.Context, node, _ string) (string, func() error, error) {
	config := fmt.Sprintf("[pools.main]\nnodes = [{ address = %q }]\n[routes.\"*\"]\npool = \"main\"\n", node)
	address, end, err := inprocess.Start(ctx, config, nil)
	return "http://" + address, end, err
}
