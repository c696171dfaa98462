package onnx

// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
)

// session is a model on a device. All instances on the CPU share one: a session makes as many runs at once as it is asked
// to, and a second one has been measured to gain nothing but its copy of the weights. On a GPU each instance
// has a session, with streams and an arena, of its own: what one run does there another does not wait for, and the bound on its
// memory is the instance's.
type session struct {
	device device
	ort    *ort.DynamicAdvancedSession
	handle *C.OrtSession // the session's own, for runs
	slots  *slots        // that its runs take: the engine's on the CPU, one of its own on a GPU
}

// newSession makes the session that create makes for d.
func (e *Engine) newSession(d device, opt backend.ModelOptions, create func(*ort.SessionOptions) (*ort.DynamicAdvancedSession, error)) (*session, error) {
	options, err := e.sessionOptions(d, opt)
	if err != nil {
		return nil, err
	}
	defer destroy(options)
	made, err := create(options)
	if err != nil {
		return nil, tidy(err)
	}
	s := &session{device: d, ort: made, slots: e.slots}
	if s.handle, err = handleOf(made); err != nil {
		return nil, errors.Join(err, made.Destroy())
	}
	if d.isGPU() {
		// What bounds the runs on a GPU is how many instances there are. A run's thread there mostly waits.
		if s.slots, err = newSlots(e.library, 1); err != nil {
			return nil, errors.Join(err, made.Destroy())
		}
		e.use(d.gpu)
	}
	return s, nil
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

// free lets go of the session; no run uses it any more.
func (s *session) free() error {
	if s.device.isGPU() {
		s.slots.close()
	}
	if err := s.ort.Destroy(); err != nil {
		return fmt.Errorf("cannot free the session on %s: %w", s.device, err)
	}
	return nil
}
