package onnx

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
)

// Config says how to open the engine.
type Config struct {
	Library string // absolute path of the library; FindLibrary finds it
	Device  string // "auto", "cpu", "cuda:N" or "tensorrt:N"; "" is "auto"
	Runs    int    // runs at the same time on the CPU; 0 means as many as Go may use CPUs
	Memory  int64  // bytes that all runs' tensors may take together in host memory; 0 means no limit
}

// Engine is ONNX Runtime. A process has at most one at a time.
type Engine struct {
	library library
	device  device
	runs    int
	slots   *slots // of all runs on the CPU, which every model shares
	info    backend.EngineInfo
	memory  int64 // the bound of the arena that all sessions share; 0 means that each has its own, without one
	models  atomic.Int64

	shrinker *shrinker // of the shared arena; nil where there is none
	arena    *arena    // the same

	sick atomic.Pointer[error] // why runs on a GPU fail for good; nil as long as they do not

	mu   sync.Mutex
	gpus []int // numbers of those that models have been put on
}

var _ backend.Engine = (*Engine)(nil)

// New loads the library and settles the device. Its errors are one line for the operator.
func New(cfg Config) (*Engine, error) {
	want, auto, err := parseDevice(cfg.Device)
	if err != nil {
		return nil, err
	}
	if ort.IsInitialized() {
		return nil, errors.New("onnx runtime is open already, and a process can have only one")
	}
	l, version, err := openLibrary(cfg.Library)
	if err != nil {
		return nil, err
	}
	settleMalloc()
	e := &Engine{library: l}
	if err := e.start(cfg, want, auto, version); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) start(cfg Config, want device, auto bool, version string) (err error) {
	ort.SetSharedLibraryPath(cfg.Library)
	// What the runtime has to say about a failure comes back as an error, which we log; on its own it would also print it.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("onnx runtime %s does not start: %w", version, tidy(err))
	}
	if err := e.boundMemory(cfg.Memory); err != nil {
		return err
	}
	if e.runs = cfg.Runs; e.runs == 0 {
		e.runs = runtime.GOMAXPROCS(0)
	}
	if e.slots, err = newSlots(e.library, e.runs); err != nil {
		return err
	}
	took, reason, err := e.chooseDevice(want, auto)
	if err != nil {
		return err
	}
	e.device = took
	if e.memory > 0 {
		if e.shrinker, err = newShrinker(e); err != nil {
			return fmt.Errorf("cannot bound the memory of runs: %w", err)
		}
		if e.arena, err = newArena(e.library, e.shrinker.probe.sessions[0], e.memory); err != nil {
			return err
		}
	}
	e.info = backend.EngineInfo{
		Name:     "onnxruntime",
		Version:  version,
		Platform: "onnxruntime_onnx", // Triton's name for it, which its tools know
		Device:   took.String(),
		Reason:   reason,
		Runs:     e.runs,
	}
	return nil
}

// boundMemory makes all sessions share one arena that refuses to grow beyond limit. A model whose shapes depend on its
// input could otherwise be asked for a tensor as large as the machine; with a bound that run fails and the node lives.
func (e *Engine) boundMemory(limit int64) error {
	if limit == 0 {
		return nil
	}
	arena, err := ort.NewArenaCfgV2(map[string]int{"max_mem": int(limit)})
	if err != nil {
		return fmt.Errorf("cannot bound the memory of runs: %w", tidy(err))
	}
	defer arena.Destroy()
	memory, err := ort.GetMemoryInfo()
	if err == nil {
		err = ort.CreateAndRegisterAllocator(memory, arena)
	}
	if err != nil {
		return fmt.Errorf("cannot bound the memory of runs: %w", tidy(err))
	}
	e.memory = limit
	return nil
}

// use notes that something runs on a GPU.
func (e *Engine) use(gpu int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.gpus, gpu) {
		e.gpus = append(e.gpus, gpu)
	}
}

// GPUs are the numbers, as CUDA counts, of the GPUs that models have been put on so far.
func (e *Engine) GPUs() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.gpus)
}

// Info describes the library and the device.
func (e *Engine) Info() backend.EngineInfo { return e.info }

// Close unloads the library. All models have been closed.
func (e *Engine) Close() error {
	if n := e.models.Load(); n > 0 {
		return fmt.Errorf("BUG: onnx runtime closed while %d models are open", n)
	}
	e.arena.close()
	err := e.shrinker.close()
	if e.slots != nil {
		e.slots.close()
	}
	if ort.IsInitialized() {
		err = errors.Join(err, ort.DestroyEnvironment())
	}
	e.library.close()
	return err
}
