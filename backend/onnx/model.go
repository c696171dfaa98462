package onnx

// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
	"ganglion/backend/scheduler"
)

// errClosed is what a run on a closed model gets.
var errClosed = errors.New("the model is closed")

// model is one model version, on as many devices as it was asked to be.
type model struct {
	engine    *Engine
	sessions  []*session
	instances []*session // of each instance; the same one for all that are on the CPU
	pinned    *pinned    // memory for tensors where there are instances on a GPU, else nil
	maxOutput int64

	inputs, outputs         []backend.Spec
	predictions             []*prediction // parallel to outputs; nil where the shape cannot be told
	inputNames, outputNames []*C.char     // parallel to inputs and outputs

	worked  atomic.Bool  // a run has succeeded
	running sync.RWMutex // held for reading by each run, so that Close waits
	closed  bool         // guarded by running
}

// Open loads a model file.
func (e *Engine) Open(path string, opt backend.ModelOptions) (backend.Model, error) {
	places, err := e.place(opt.Instances)
	if err != nil {
		return nil, err
	}
	// The binding does not free its C copy of path: a few bytes for each session ever made. Loading from memory would leak
	// nothing, but holds every model twice while it loads and cannot find weights in files beside it.
	m, err := e.open(places, opt, func(options *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
		if opt.Content != nil {
			return ort.NewDynamicAdvancedSessionWithONNXData(opt.Content, nil, nil, options)
		}
		return ort.NewDynamicAdvancedSession(path, nil, nil, options)
	})
	if err != nil {
		return nil, err // and not m, which as an interface would not be nil
	}
	e.models.Add(1)
	return m, nil
}

// open makes the model of the sessions that create makes.
func (e *Engine) open(places []placement, opt backend.ModelOptions, create func(*ort.SessionOptions) (*ort.DynamicAdvancedSession, error)) (*model, error) {
	m := &model{engine: e, maxOutput: opt.MaxOutput}
	err := m.put(places, opt, create)
	if err == nil {
		err = m.describe()
	}
	if err == nil {
		err = m.pinMemory()
	}
	if err != nil {
		return nil, errors.Join(err, m.free())
	}
	return m, nil
}

// put makes the model's instances, and the sessions they need.
func (m *model) put(places []placement, opt backend.ModelOptions, create func(*ort.SessionOptions) (*ort.DynamicAdvancedSession, error)) (err error) {
	for _, place := range places {
		for range place.count {
			s := m.shared(place.device)
			if s == nil {
				if s, err = m.engine.newSession(place.device, opt, create); err != nil {
					return placeError(place.device, m.engine.device, err)
				}
				m.sessions = append(m.sessions, s)
			}
			m.instances = append(m.instances, s)
		}
	}
	return nil
}

// placeError says where a model could not be loaded, unless it is where all models are.
func placeError(where, usual device, err error) error {
	if where == usual {
		return err
	}
	return fmt.Errorf("on %s: %w", where, err)
}

// shared is the session of which all instances on d are, if there is one already.
func (m *model) shared(d device) *session {
	for _, s := range m.sessions {
		if s.device == d && !d.isGPU() {
			return s
		}
	}
	return nil
}

// describe asks the first session what the model is: the others are of the same file.
func (m *model) describe() error {
	inputs, outputs, ranked, err := m.engine.library.describe(m.sessions[0].handle)
	if err != nil {
		return err
	}
	m.inputs, m.outputs = inputs, outputs
	for i, spec := range m.outputs {
		m.predictions = append(m.predictions, predict(m.inputs, spec, ranked[i]))
		m.outputNames = append(m.outputNames, C.CString(spec.Name))
	}
	for _, spec := range m.inputs {
		m.inputNames = append(m.inputNames, C.CString(spec.Name))
	}
	return nil
}

// pinMemory has tensors lie in page-locked memory if a GPU is to read them.
func (m *model) pinMemory() (err error) {
	for _, s := range m.sessions {
		if s.device.isGPU() {
			m.pinned, err = newPinned(m.engine.library, s, cudaPinned)
			return err
		}
	}
	return nil
}

// Inputs returns the model's inputs.
func (m *model) Inputs() []backend.Spec { return m.inputs }

// Outputs returns the model's outputs.
func (m *model) Outputs() []backend.Spec { return m.outputs }

// Memory is page-locked where the model runs on a GPU.
func (m *model) Memory() scheduler.Memory {
	if m.pinned == nil {
		return nil // and not m.pinned, which as an interface would not be nil
	}
	return m.pinned
}

// Close waits for runs in flight, frees the sessions, and gives their memory back to the system.
func (m *model) Close() error {
	err := m.free()
	if errors.Is(err, errClosed) {
		return err
	}
	m.engine.models.Add(-1)
	trim()
	return err
}

func (m *model) free() (err error) {
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
	m.pinned.close()
	for _, s := range m.sessions {
		err = errors.Join(err, s.free())
	}
	return err
}
