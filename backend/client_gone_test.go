package backend_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// blockingNode is a node whose model "iris" runs until it is told to go on, or that nobody waits.
type blockingNode struct {
	*node
	running chan struct{} // a run has begun
	goOn    chan struct{} // lets one end
	stopped chan struct{} // a run has ended because its context has

	occupied sync.WaitGroup // see occupy
}

func newBlockingNode(t *testing.T, instances int) *blockingNode {
	t.Helper()
	return newBlockingBatches(t, instances, 0)
}

// newBlockingBatches is newBlockingNode for a model whose runs take so many requests.
func newBlockingBatches(t *testing.T, instances, size int) *blockingNode {
	t.Helper()
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	write(t, filepath.Join(dir, "iris", "config.toml"), fmt.Sprintf("max_batch_size = %d\n[instances]\ncount = %d\n", size, instances))
	b := &blockingNode{running: make(chan struct{}, 64), goOn: make(chan struct{}), stopped: make(chan struct{}, 64)}
	var armed atomic.Bool // after the runs that loading makes
	engine := &fakeEngine{run: func(ctx context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		if !armed.Load() {
			return inputs, nil
		}
		b.running <- struct{}{}
		select {
		case <-b.goOn:
			return inputs, nil
		case <-ctx.Done():
			b.stopped <- struct{}{}
			return nil, ctx.Err()
		}
	}}
	b.node = startNodeOn(t, engine, dir)
	b.waitReady()
	armed.Store(true)
	return b
}

// occupy has a client of its own keep an instance busy until free.
func (b *blockingNode) occupy() {
	b.t.Helper()
	b.drainRunning()
	b.occupied.Go(func() { b.post("/v2/models/iris/infer", fakeRequestOf("1")).want(b.t, 200, "") })
	<-b.running
}

// free ends what occupy has begun.
func (b *blockingNode) free() {
	b.goOn <- struct{}{}
	b.occupied.Wait()
}

func (b *blockingNode) drainRunning() {
	for len(b.running) > 0 {
		<-b.running
	}
}

// waitMetric waits until a series has a value.
func (n *node) waitMetric(series string, want float64) {
	n.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		got := "no value"
		for line := range strings.Lines(n.get("/metrics").body) {
			if rest, ok := strings.CutPrefix(line, series+" "); ok {
				got = strings.TrimSpace(rest)
			}
		}
		if got == fmt.Sprint(want) {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%s has %s, want %v", series, got, want)
		}
	}
}

// leaver is a client that can hang up while it waits.
type leaver struct {
	name string
	send func(b *blockingNode, body string) (leave func())
}

func leavers() []leaver {
	return []leaver{
		{name: "http", send: func(b *blockingNode, body string) func() {
			nc, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
			if err != nil {
				b.t.Fatal(err)
			}
			if _, err := fmt.Fprintf(nc, "POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
				b.t.Fatal(err)
			}
			return func() { nc.Close() }
		}},
		{name: "hop", send: func(b *blockingNode, body string) func() {
			x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", body)
			conn := b.dialHop()
			var asking sync.WaitGroup
			asking.Go(func() {
				var e *hop.Error
				if err := conn.Do(x); !errors.As(err, &e) || e.Code != hop.CodeCanceled {
					b.t.Errorf("got %v", err)
				}
			})
			return func() {
				x.Cancel()
				asking.Wait()
			}
		}},
		{name: "hop connection", send: func(b *blockingNode, body string) func() {
			x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", body)
			conn := b.dialHop()
			var asking sync.WaitGroup
			asking.Go(func() { _ = conn.Do(x) })
			return func() {
				conn.Close()
				asking.Wait()
			}
		}},
	}
}

// TestClientLeavesTheQueue: a request whose client has left while it waited is never run, and is counted for what it is.
func TestClientLeavesTheQueue(t *testing.T) {
	for _, l := range leavers() {
		t.Run(l.name, func(t *testing.T) {
			b := newBlockingNode(t, 1)
			b.occupy()
			leave := l.send(b, fakeRequestOf("2"))
			b.waitMetric(`ganglion_node_queue_requests{model="iris",version="1"}`, 1)
			leave()
			b.waitMetric(`ganglion_node_queue_requests{model="iris",version="1"}`, 0)
			b.waitMetric(`ganglion_node_rejections_total{model="iris",reason="cancelled",version="1"}`, 1)
			b.waitMetric(`nv_inference_request_failure{model="iris",reason="CANCELED",version="1"}`, 1)
			b.waitMetric(`ganglion_node_requests_total{model="iris",status="499",version="1"}`, 1)
			if len(b.running) > 0 || len(b.stopped) > 0 {
				t.Error("something was run, or stopped, for the client that has left")
			}
			b.free()
		})
	}
}

// TestClientLeavesItsRun: a run is stopped when the only client that it is for has left.
func TestClientLeavesItsRun(t *testing.T) {
	for _, l := range leavers() {
		t.Run(l.name, func(t *testing.T) {
			b := newBlockingNode(t, 1)
			for range 2 { // the second finds the instance free
				leave := l.send(b, fakeRequestOf("2"))
				<-b.running
				leave()
				select {
				case <-b.stopped:
				case <-time.After(20 * time.Second):
					t.Fatal("the run goes on for nobody")
				}
			}
			b.waitMetric(`ganglion_node_requests_total{model="iris",status="499",version="1"}`, 2)
		})
	}
}

// TestClientThatStays: one that sends its next request early, or takes its time, gets every answer.
func TestClientThatStays(t *testing.T) {
	b := newBlockingNode(t, 1)
	nc, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for i := range 2 {
		body := fakeRequestOf(fmt.Sprint(i + 1))
		last := map[bool]string{true: "Connection: close\r\n"}[i == 1]
		if _, err := fmt.Fprintf(nc, "POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", last, len(body), body); err != nil {
			t.Fatal(err)
		}
	}
	<-b.running
	time.Sleep(100 * time.Millisecond) // long enough to be looked at, see httpserver.Watch
	b.goOn <- struct{}{}
	b.goOn <- struct{}{}
	answers, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(answers); strings.Count(text, "HTTP/1.1 200") != 2 || !strings.Contains(text, `"data":[1]`) || !strings.Contains(text, `"data":[2]`) {
		t.Errorf("got %s", text)
	}
	if len(b.stopped) > 0 {
		t.Error("a run was stopped")
	}
	http.DefaultClient.CloseIdleConnections()
}
