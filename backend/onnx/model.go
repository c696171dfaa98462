package onnx

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
	"ganglion/backend/scheduler"
)

// errClosed is what a run on a closed model gets.
var errClosed = errors.New("the model is closed")

// model is one session.
type model struct {
	engine    *Engine
	session   *ort.DynamicAdvancedSession
	handle    *C.OrtSession // the session's own, for runs
	maxOutput int64
	instances int

	inputs, outputs         []backend.Spec
	predictions             []*prediction // parallel to outputs; nil where the shape cannot be told
	inputNames, outputNames []*C.char     // parallel to inputs and outputs

	worked  atomic.Bool  // a run has succeeded
	running sync.RWMutex // held for reading by each run, so that Close waits
	closed  bool         // guarded by running
}

// Open loads a model file.
func (e *Engine) Open(path string, opt backend.ModelOptions) (backend.Model, error) {
	// The binding does not free its C copy of path: a few bytes for each model ever loaded. Loading from memory would leak
	// nothing, but holds every model twice while it loads and cannot find weights in files beside it.
	m, err := e.open(e.device, opt, func(options *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
		return ort.NewDynamicAdvancedSession(path, nil, nil, options)
	})
	if err != nil {
		return nil, err // and not m, which as an interface would not be nil
	}
	m.instances = e.info.Runs
	if len(opt.Instances) > 0 && opt.Instances[0].Count > 0 {
		m.instances = opt.Instances[0].Count
	}
	e.models.Add(1)
	return m, nil
}

// open makes the model of a session that create makes for d.
func (e *Engine) open(d device, opt backend.ModelOptions, create func(*ort.SessionOptions) (*ort.DynamicAdvancedSession, error)) (*model, error) {
	options, err := e.sessionOptions(d, opt.Threads)
	if err != nil {
		return nil, err
	}
	defer destroy(options)
	session, err := create(options)
	if err != nil {
		return nil, tidy(err)
	}
	m := &model{engine: e, session: session, maxOutput: opt.MaxOutput}
	if err := m.describe(); err != nil {
		return nil, errors.Join(err, session.Destroy())
	}
	for _, spec := range m.inputs {
		m.inputNames = append(m.inputNames, C.CString(spec.Name))
	}
	for _, spec := range m.outputs {
		m.outputNames = append(m.outputNames, C.CString(spec.Name))
	}
	return m, nil
}

func (m *model) describe() (err error) {
	if m.handle, err = handleOf(m.session); err != nil {
		return err
	}
	var ranked []bool
	m.inputs, m.outputs, ranked, err = m.engine.library.describe(m.handle)
	if err != nil {
		return err
	}
	for i, spec := range m.outputs {
		m.predictions = append(m.predictions, predict(m.inputs, spec, ranked[i]))
	}
	return nil
}

// handleOf reads the runtime's session out of the binding's, which does not export it. TestSessionHandle notices should a
// new version of the binding call it something else.
func handleOf(session *ort.DynamicAdvancedSession) (*C.OrtSession, error) {
	inner := reflect.ValueOf(session).Elem().FieldByName("s")
	if inner.Kind() != reflect.Pointer {
		return nil, errors.New("BUG: this version of the onnxruntime_go binding keeps its session elsewhere")
	}
	handle := inner.Elem().FieldByName("ortSession")
	if handle.Kind() != reflect.Pointer || handle.IsNil() {
		return nil, errors.New("BUG: this version of the onnxruntime_go binding keeps its session handle elsewhere")
	}
	return (*C.OrtSession)(handle.UnsafePointer()), nil
}

// Inputs returns the model's inputs.
func (m *model) Inputs() []backend.Spec { return m.inputs }

// Outputs returns the model's outputs.
func (m *model) Outputs() []backend.Spec { return m.outputs }

// Memory is nil: tensors lie on Go's heap.
func (m *model) Memory() scheduler.Memory { return nil }

// Close waits for runs in flight and frees the session.
func (m *model) Close() error {
	err := m.free()
	if !errors.Is(err, errClosed) {
		m.engine.models.Add(-1)
	}
	return err
}

func (m *model) free() error {
	m.running.Lock()
	defer m.running.Unlock()
	if m.closed {
		return errClosed
	}
	m.closed = true
	for _, name := range m.inputNames {
		C.free(unsafe.Pointer(name))
	}
	for _, name := range m.outputNames {
		C.free(unsafe.Pointer(name))
	}
	if err := m.session.Destroy(); err != nil {
		return fmt.Errorf("cannot free the session: %w", err)
	}
	return nil
}
