package backend_test

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/oip"
)

// TestQueueTimeout: a request that names no time of its own waits for its run no longer than the configuration says, and runs
// for as long as it takes.
func TestQueueTimeout(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	write(t, filepath.Join(dir, "iris", "config.pbtxt"),
		`instance_group { kind: KIND_CPU count: 1 } dynamic_batching { default_queue_policy { default_timeout_microseconds: 2000000 } }`)
	running, goOn := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool // after the runs that loading makes
	engine := &fakeEngine{run: func(_ context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		if armed.Load() {
			running <- struct{}{}
			<-goOn
		}
		return inputs, nil
	}}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	armed.Store(true)
	const path = "/v2/models/iris/infer"
	var wg sync.WaitGroup
	wg.Go(func() { n.post(path, fakeRequestOf("1")).want(t, 200, "") })
	select {
	case <-running:
	case <-time.After(20 * time.Second):
		t.Fatal("the first request does not run")
	}
	// The instance is busy until this has been refused, which is later than the first may have waited.
	n.post(path, fakeRequestOf("2")).wantRefusal(t, oip.Expired, "Request timeout expired")
	goOn <- struct{}{}
	wg.Wait()
}
