package gpu

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		library, _ := buildDriver()
		if err := os.RemoveAll(filepath.Dir(library)); err != nil {
			panic(err)
		}
		os.Exit(code)
	}))
}

// driver is NVML and CUDA for a host with two GPUs, which NVML numbers the other way round than CUDA. A file tells it what to
// answer: the binding binds NVML's functions once and for good, so that there can be one library only.
const driver = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int told(const char *what) {
	char text[256] = "";
	FILE *f = fopen(CONTROL, "r");
	if (f == NULL) return 0;
	fread(text, 1, sizeof text - 1, f);
	fclose(f);
	const char *at = strstr(text, what);
	return at == NULL ? 0 : atoi(at + strlen(what));
}

static int gpus[2] = {0, 1};
static int which(void *device) { return *(int *)device; }
enum { ok = 0, not_supported = 3, timeout = 10, lost = 15 };
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { void *device; unsigned long long type, data; unsigned instance, compute; } event;

const char *nvmlErrorString(int code) { return code == lost ? "GPU is lost" : "something else"; }
int nvmlInit_v2(void) { return told("init="); }
int nvmlShutdown(void) { return ok; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = told("none=") ? 0 : 2; return ok; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device) { *device = &gpus[i]; return ok; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device) {
	*device = &gpus[strcmp(bus, "0000:01:00.0") != 0];
	return ok;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size) {
	snprintf(uuid, size, "GPU-%d", which(device));
	return ok;
}
int nvmlDeviceGetMemoryInfo(void *device, memory *m) {
	if (told("lost=") == which(device) + 1) return lost;
	m->total = 80e9; m->used = 1e9 * (which(device) + 1);
	return ok;
}
int nvmlDeviceGetUtilizationRates(void *device, utilization *u) { u->gpu = 25; return ok; }
int nvmlDeviceGetPowerUsage(void *device, unsigned *mw) { *mw = 300500; return ok; }
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *mw) { *mw = 700000; return ok; }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mj) { *mj = 5000; return which(device) ? not_supported : ok; }
int nvmlEventSetCreate(void **set) { *set = gpus; return ok; }
int nvmlEventSetFree(void *set) { return ok; }
int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *set) { return ok; }
int nvmlEventSetWait_v2(void *set, event *e, unsigned ms) {
	static int given;
	int xid = told("xid=");
	if (xid == given) return timeout;
	given = xid;
	if (xid == 0) return timeout;
	e->device = &gpus[told("on=")]; e->type = 8; e->data = xid;
	return ok;
}

int cuInit(unsigned flags) { return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return number < 2 ? 0 : 101; }
int cuDeviceGetPCIBusId(char *bus, int size, int device) { snprintf(bus, size, "0000:0%d:00.0", 2 - device); return 0; }
`

// buildDriver compiles the driver once and returns the paths of the library and of the file that tells it what to answer.
var buildDriver = sync.OnceValues(func() (library, control string) {
	dir, err := os.MkdirTemp("", "driver-")
	if err != nil {
		panic(err)
	}
	library, control = filepath.Join(dir, "driver.so"), filepath.Join(dir, "control")
	source := filepath.Join(dir, "driver.c")
	if err := os.WriteFile(source, []byte(driver), 0o600); err != nil {
		panic(err)
	}
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		panic(err)
	}
	compile := exec.Command(strings.Fields(string(cc))[0], "-shared", "-fPIC", "-w", `-DCONTROL="`+control+`"`, "-o", library, source)
	if out, err := compile.CombinedOutput(); err != nil {
		panic(string(out))
	}
	return library, control
})

// host is a Monitor on the driver above.
type host struct {
	*Monitor
	t       *testing.T
	log     *bytes.Buffer // not to be read while the Monitor runs
	control string
}

// tell sets what the driver answers from now on.
func (h *host) tell(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.control, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// open makes a host whose engine uses the GPUs that CUDA gives the numbers.
func open(t *testing.T, used ...int) *host {
	t.Helper()
	library, control := buildDriver()
	h := &host{t: t, log: &bytes.Buffer{}, control: control}
	h.tell("")
	m, err := Open(Config{
		NVML: library, CUDA: library, Used: func() []int { return used }, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Monitor = m
	t.Cleanup(func() {
		if err := m.events.Free(); err != 0 {
			t.Error(err)
		}
	})
	return h
}

// TestMetrics: names, units and labels as Triton has them; what a GPU does not tell is left out.
func TestMetrics(t *testing.T) {
	h := open(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(h)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			got[family.GetName()+" "+metric.GetLabel()[0].GetName()+"="+metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	want := map[string]float64{}
	for uuid, values := range map[string]map[string]float64{
		"GPU-0": {"nv_gpu_memory_used_bytes": 1e9, "nv_energy_consumption": 5},
		"GPU-1": {"nv_gpu_memory_used_bytes": 2e9},
	} {
		maps.Copy(values, map[string]float64{
			"nv_gpu_utilization": 0.25, "nv_gpu_memory_total_bytes": 80e9, "nv_gpu_power_usage": 300.5, "nv_gpu_power_limit": 700,
		})
		for name, value := range values {
			want[name+" gpu_uuid="+uuid] = value
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %v, want %v", name, got[name], value)
		}
	}
}

// TestLostGPU: a GPU in use that is lost makes the node sick while it runs; by the numbers of CUDA, which are not NVML's.
func TestLostGPU(t *testing.T) {
	h := open(t, 0) // NVML's GPU-1
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	h.tell("lost=2")
	for deadline := time.Now().Add(30 * time.Second); h.Health() == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody has noticed that the GPU is lost")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := h.Health().Error(); got != "GPU GPU-1 is lost: GPU is lost" {
		t.Errorf("got %q", got)
	}
	h.tell("")
	h.look()
	if h.Health() == nil {
		t.Error("a GPU that has come back is taken for well, but the engine's state on it is gone")
	}
}

// TestOtherGPU: the loss of a GPU that the engine does not use is none of its business.
func TestOtherGPU(t *testing.T) {
	h := open(t, 0, 5) // there is no 5
	h.tell("lost=1")
	for range 3 {
		h.look()
	}
	if err := h.Health(); err != nil {
		t.Errorf("sick for a GPU that nobody uses: %v", err)
	}
	if got := strings.Count(h.log.String(), "a GPU that the engine does not use is lost"); got != 1 {
		t.Errorf("said %d times that it is lost, want once:\n%s", got, h.log)
	}
	if got := strings.Count(h.log.String(), "cannot tell which GPU is which"); got != 1 {
		t.Errorf("said %d times that it cannot tell which is GPU 5, want once:\n%s", got, h.log)
	}
}

// TestCriticalErrors: which of the errors that the driver reports end the work of a GPU.
func TestCriticalErrors(t *testing.T) {
	h := open(t, 1) // NVML's GPU-0
	for _, harmless := range []string{"xid=13 on=0", "xid=63 on=0", "xid=79 on=1"} {
		h.tell(harmless)
		h.look()
		if err := h.Health(); err != nil {
			t.Errorf("%s: %v", harmless, err)
		}
	}
	h.tell("xid=79 on=0")
	h.look()
	if err := h.Health(); err != nil {
		t.Errorf("the same event is given once: %v", err)
	}
	h.tell("xid=119 on=0")
	h.look()
	if err := h.Health(); err == nil || !strings.Contains(err.Error(), "GPU-0 is lost: Xid 119: ") {
		t.Errorf("got %v", err)
	}
}

// TestNoGPU: a host without a driver, or without a GPU, has nothing to watch, and that is no fault.
func TestNoGPU(t *testing.T) {
	if m, err := Open(Config{NVML: filepath.Join(t.TempDir(), "none.so")}); !errors.Is(err, ErrNone) {
		t.Errorf("got %v, %v", m, err)
	}
}
