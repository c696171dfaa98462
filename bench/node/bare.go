//go:build linux

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sys/unix"

	"ganglion/bench/affinity"
)

// bareLoops run models on ONNX Runtime with nothing around them: the same library and the same settings of its threads as the
// node has, tensors that are made once and bound for good, and one loop on each of the node's cores.
type bareLoops struct {
	repository string
	cpus       []int
	closed     bool
}

func newBareLoops(library, repository string, cpus []int) (*bareLoops, error) {
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return nil, fmt.Errorf("onnx runtime does not start: %w", err)
	}
	return &bareLoops{repository: repository, cpus: cpus}, nil
}

// close ends the loops for good; it may be called more than once.
func (l *bareLoops) close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	return ort.DestroyEnvironment()
}

// shape is a model as a bare loop runs it.
type shape struct {
	model   string
	input   string
	columns int64
	outputs []bareOutput
}

// bareOutput is an output of a bare loop.
type bareOutput struct {
	name    string
	columns int64 // 0: none behind the batch
	make    func(ort.Shape) (ort.Value, error)
}

func floats(s ort.Shape) (ort.Value, error) { return ort.NewEmptyTensor[float32](s) }
func ints(s ort.Shape) (ort.Value, error)   { return ort.NewEmptyTensor[int64](s) }
func texts(s ort.Shape) (ort.Value, error)  { return ort.NewStringTensor(s) }

var (
	irisShape = shape{irisAlone, "measurements", 4, []bareOutput{{"probabilities", 3, floats}, {"label", 0, ints}, {"species", 0, texts}}}
	wideShape = shape{wide, "x", wideInputs, []bareOutput{{"y", 1, floats}}}
)

// bareResult is one measurement of bare loops.
type bareResult struct {
	rate float64       // rows a second, of all loops together
	cpu  time.Duration // of one run
	run  time.Duration // of one run, by the clock
}

// measure runs batches of so many rows for d.
func (l *bareLoops) measure(s shape, rows int, d time.Duration) (bareResult, error) {
	loops := make([]bareLoop, len(l.cpus))
	var wg sync.WaitGroup
	for i, cpu := range l.cpus {
		wg.Go(func() {
			loops[i].err = affinity.Pinned([]int{cpu}, func() error { return loops[i].run(l.path(s), s, int64(rows), d) })
		})
	}
	wg.Wait()
	var total bareResult
	var runs int
	for _, loop := range loops {
		if loop.err != nil {
			return bareResult{}, fmt.Errorf("bare loop of %s: %w", s.model, loop.err)
		}
		runs += loop.runs
		total.cpu += loop.cpu
		total.run += loop.took
		total.rate += float64(loop.runs*rows) / loop.took.Seconds()
	}
	total.cpu /= time.Duration(max(runs, 1))
	total.run /= time.Duration(max(runs, 1))
	return total, nil
}

func (l *bareLoops) path(s shape) string {
	return filepath.Join(l.repository, s.model, "1", "model.onnx")
}

// bareLoop is one loop.
type bareLoop struct {
	runs      int
	cpu, took time.Duration
	err       error
}

func (b *bareLoop) run(path string, s shape, rows int64, d time.Duration) (err error) {
	session, tensors, err := bareSession(path, s, rows)
	defer func() {
		if session != nil {
			err = errors.Join(err, session.Destroy())
		}
		for _, t := range tensors {
			err = errors.Join(err, t.Destroy())
		}
	}()
	for range 3 { // memory is laid out in the first
		if err == nil {
			err = session.Run()
		}
	}
	if err != nil {
		return err
	}
	cpu, began := threadTime(), time.Now()
	for time.Since(began) < d {
		if err := session.Run(); err != nil {
			return err
		}
		b.runs++
	}
	b.cpu, b.took = threadTime()-cpu, time.Since(began)
	return nil
}

// bareSession makes a session with all its tensors bound.
func bareSession(path string, s shape, rows int64) (session *ort.AdvancedSession, tensors []ort.Value, err error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, options.Destroy()) }()
	err = errors.Join(options.SetIntraOpNumThreads(1), options.SetInterOpNumThreads(1),
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"))
	if err != nil {
		return nil, nil, err
	}
	input, err := ort.NewTensor(ort.NewShape(rows, s.columns), make([]float32, rows*s.columns))
	if err != nil {
		return nil, nil, err
	}
	tensors = append(tensors, input)
	var names []string
	for _, output := range s.outputs {
		dims := ort.NewShape(rows)
		if output.columns > 0 {
			dims = ort.NewShape(rows, output.columns)
		}
		t, err := output.make(dims)
		if err != nil {
			return nil, tensors, err
		}
		tensors, names = append(tensors, t), append(names, output.name)
	}
	session, err = ort.NewAdvancedSession(path, []string{s.input}, names, tensors[:1], tensors[1:], options)
	return session, tensors, err
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("BUG: " + err.Error()) // every Linux has this clock
	}
	return time.Duration(t.Nano())
}
