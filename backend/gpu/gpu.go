// Package gpu watches NVIDIA GPUs from outside of what computes on them, through NVML: what they do, for metrics under the
// names that Triton has for them, and whether they still are there.
//
// It owns the NVML library and the goroutine that asks it, which is Run's; scrapes and health checks read what that has
// found, so that a driver that hangs holds up nobody else. It refuses to judge GPUs that the engine does not use, and to
// guess: a GPU whose numbers cannot be matched to CUDA's is not judged.
//
// Concurrency: after Open all methods are safe for concurrent use, but for Close, which comes after the end of Run. NVML's
// functions are bound at their first call and for good: a process has one Monitor, once.
package gpu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Config says what to watch. Its zero value but for Used and Log is right outside of tests.
type Config struct {
	NVML string // the library; "" is the driver's own
	CUDA string // libcuda, to be asked which GPU is which; "" is the driver's own

	// Used tells the numbers, as CUDA counts, of the GPUs whose loss ends the engine. It is called again and again.
	Used func() []int

	Log *slog.Logger
}

// Monitor watches all GPUs of the host, or those that the container sees.
type Monitor struct {
	cfg     Config
	nvml    nvml.Interface
	devices []*device
	events  nvml.EventSet       // nil where the driver has none
	numbers map[int]string      // CUDA's number to UUID, "" where it could not be told; Run's
	warned  map[string]struct{} // what the log has been told of; Run's

	mu       sync.Mutex
	readings map[string]reading // by UUID; guarded by mu

	lost atomic.Pointer[error]
}

// device is one GPU.
type device struct {
	handle nvml.Device
	uuid   string
}

// interval is how often the GPUs are asked. A lost one is to be known within a second; one round of questions takes the
// driver about a millisecond for each GPU.
const interval = 400 * time.Millisecond

// ErrNone means that there is nothing to watch: no driver, or no GPU.
var ErrNone = errors.New("no NVIDIA GPU")

// Open finds the GPUs. Its error is ErrNone on a host that has none; other errors are of a driver that does not work.
func Open(cfg Config) (*Monitor, error) {
	var options []nvml.LibraryOption
	if cfg.NVML != "" {
		options = append(options, nvml.WithLibraryPath(cfg.NVML))
	}
	m := &Monitor{
		cfg: cfg, nvml: nvml.New(options...),
		numbers: map[int]string{}, warned: map[string]struct{}{}, readings: map[string]reading{},
	}
	if ret := m.nvml.Init(); ret == nvml.ERROR_LIBRARY_NOT_FOUND {
		return nil, fmt.Errorf("%w: the NVML library cannot be loaded", ErrNone)
	} else if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("cannot start NVML: %s", text(ret))
	}
	if err := m.find(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.register()
	m.look()
	return m, nil
}

// find lists the GPUs.
func (m *Monitor) find() error {
	count, ret := m.nvml.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return fmt.Errorf("cannot count GPUs: %s", text(ret))
	}
	for i := range count {
		handle, ret := m.nvml.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue // not permitted to us, or gone already
		}
		uuid, ret := handle.GetUUID()
		if ret != nvml.SUCCESS {
			continue
		}
		m.devices = append(m.devices, &device{handle, uuid})
	}
	if len(m.devices) == 0 {
		return ErrNone
	}
	return nil
}

// register asks to be told of critical errors. Where that is not to be had, a lost GPU shows when it is asked something.
func (m *Monitor) register() {
	events, ret := m.nvml.EventSetCreate()
	if ret != nvml.SUCCESS {
		return
	}
	for _, d := range m.devices {
		if ret := d.handle.RegisterEvents(nvml.EventTypeXidCriticalError, events); ret != nvml.SUCCESS {
			m.cfg.Log.Debug("a GPU does not report critical errors", "gpu_uuid", d.uuid, "reason", text(ret))
		}
	}
	m.events = events
}

// Run asks the GPUs until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			m.look()
		}
	}
}

// look asks all GPUs once.
func (m *Monitor) look() {
	for _, d := range m.devices {
		r, ret := d.read()
		m.mu.Lock()
		m.readings[d.uuid] = r
		m.mu.Unlock()
		if gone(ret) {
			m.loseOrWarn(d.uuid, text(ret))
		}
	}
	m.readEvents()
}

// Health is nil, or why a GPU that the engine uses is of no use any more.
func (m *Monitor) Health() error {
	if lost := m.lost.Load(); lost != nil {
		return *lost
	}
	return nil
}

// Close lets go of the library, after the end of Run.
func (m *Monitor) Close() error {
	if m.events != nil {
		_ = m.events.Free() // fails only for a set that has been freed
	}
	if ret := m.nvml.Shutdown(); ret != nvml.SUCCESS {
		return fmt.Errorf("cannot stop NVML: %s", text(ret))
	}
	return nil
}
