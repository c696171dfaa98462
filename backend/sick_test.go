package backend_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/backend"
)

// wantSick waits until the node says everywhere that it is sick, and why.
func (n *node) wantSick(reason string) {
	n.t.Helper()
	n.waitFor("/v2/health/ready", http.StatusServiceUnavailable)
	if got := n.get("/v2/health/ready"); !strings.Contains(got.body, reason) {
		n.t.Errorf("readiness says %s, want the reason %q", got.body, reason)
	}
	if got := n.get("/metrics"); !strings.Contains(got.body, "\nganglion_node_healthy 0\n") {
		n.t.Error("ganglion_node_healthy is not 0")
	}
	const line = "the engine is sick"
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(n.log.String(), line); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatal("the log does not say that the engine is sick")
		}
	}
	if log := n.log.String(); !strings.Contains(log, reason) || strings.Count(log, line) != 1 {
		n.t.Errorf("want the reason %q once in the log", reason)
	}
	if got := n.get("/v2/health/live"); got.status != http.StatusOK {
		n.t.Errorf("live answers %d: the process does live", got.status)
	}
}

// TestSickEngine: a node whose engine reports that it cannot run any more is not ready, though all its models are.
func TestSickEngine(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	engine := &fakeEngine{}
	n := startNodeOn(t, engine, dir)
	n.waitReady()
	if got := n.get("/metrics"); !strings.Contains(got.body, "\nganglion_node_healthy 1\n") {
		t.Error("ganglion_node_healthy is not 1")
	}
	sick := errors.New("cuda:0 fails every run: CUDA failure 700")
	engine.sick.Store(&sick)
	if got := n.get("/v2/health/ready"); got.status != http.StatusServiceUnavailable {
		t.Errorf("ready answers %d after the engine has become sick", got.status)
	}
	n.wantSick("CUDA failure 700")
}

// fakeDevices are devices that are lost when told so.
type fakeDevices struct {
	prometheus.Gauge
	lost    atomic.Bool
	stopped atomic.Bool
}

func (d *fakeDevices) Run(ctx context.Context) error {
	<-ctx.Done()
	d.stopped.Store(true)
	return ctx.Err()
}

func (d *fakeDevices) Health() error {
	if d.lost.Load() {
		return errors.New("GPU-123 has fallen off the bus")
	}
	return nil
}

// TestLostDevice: so is a node whose device is lost while nobody uses it; and devices put metrics beside the node's.
func TestLostDevice(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	devices := &fakeDevices{Gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "nv_gpu_utilization", Help: "x"})}
	n := startNodeOn(t, &fakeEngine{}, dir, func(c *backend.Config) { c.Devices = devices })
	n.waitReady()
	if got := n.get("/metrics"); !strings.Contains(got.body, "\nnv_gpu_utilization 0\n") {
		t.Error("the metrics of the devices are missing")
	}
	devices.lost.Store(true)
	n.wantSick("GPU-123 has fallen off the bus")
	if err := n.stop(); err != nil || !devices.stopped.Load() {
		t.Errorf("stopped with %v, devices stopped: %v", err, devices.stopped.Load())
	}
}
