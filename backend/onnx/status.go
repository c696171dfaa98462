package onnx

// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"ganglion/internal/oip"
)

// codeInvalidArgument is the runtime's error code that blames the caller.
const codeInvalidArgument = 2

// statusError is an error of the runtime.
type statusError struct {
	code uint32
	text string
}

func (e *statusError) Error() string { return e.text }

// take turns a status into an error and frees it; nil stays nil.
func (l library) take(status *C.OrtStatus) error {
	if status == nil {
		return nil
	}
	defer C.gn_free_status(l.ort, status)
	text := C.GoString(C.gn_error_message(l.ort, status))
	return &statusError{
		code: uint32(C.gn_error_code(l.ort, status)),
		text: strings.Join(strings.Fields(text), " "), // messages come over several lines, a log entry is one
	}
}

// runError judges the error of a run by whose fault it is. What is the client's becomes a *oip.Error.
//
// The runtime calls some bad inputs invalid arguments and others plain failures of an operator: a matrix that does not fit
// the next one is a failure, an index out of range an argument. On a CPU, though, an operator's outcome follows from
// nothing but its inputs, so when one fails in a model that has run before, this request's inputs are why. It matters
// because a client's mistake answered with 500 would be tried again on another node, and blamed on both.
func (r *run) runError(err error) error {
	var status *statusError
	if !errors.As(err, &status) {
		return err
	}
	onGPU := r.session.device.isGPU()
	if sick := r.model.engine.Health(); onGPU && sick != nil {
		return newSickError(err)
	}
	if outOfMemory(status.text) {
		return r.memoryError(status)
	}
	_, failure, operator := strings.Cut(status.text, "Status Message: ")
	switch {
	case status.code == codeInvalidArgument && !operator:
		failure = status.text
	case status.code == codeInvalidArgument:
	case operator && !onGPU && r.model.worked.Load():
	default:
		return runtimeError{err, operator && !onGPU}
	}
	return clientError{oip.Errorf(oip.InvalidArgument, "the model does not take these inputs: %s", withoutPaths(plain(failure))), err}
}

// maybeMispredicted reports whether err may come from an output that did not fit the memory given for it. The CPU's words
// for that have changed between versions but always name the OrtValue; other devices have words of their own. To be
// wrong costs another failing run, of a millisecond, most of which the runtime spends on unwinding its stack.
func (r *run) maybeMispredicted(err error) bool {
	if r.session.device.isGPU() {
		return r.model.engine.Health() == nil && !outOfMemory(err.Error())
	}
	return strings.Contains(err.Error(), "OrtValue")
}

// outOfMemory recognises a run that got no memory: from an arena, of the CPU's or of a GPU's, or from CUDA itself.
func outOfMemory(text string) bool {
	return strings.Contains(text, "bfc_arena") || strings.Contains(text, "CUDA failure 2:") || strings.Contains(text, "cudaErrorMemoryAllocation")
}

// memoryError is for a run that met the bound of its arena, by itself or together with others.
func (r *run) memoryError(err *statusError) error {
	if r.session.device.isGPU() {
		return clientError{oip.Errorf(oip.ResourceExhausted, "this request needs more memory than the node's GPU has left: send less at a time"), err}
	}
	code, limit := oip.ResourceExhausted, r.model.engine.memory
	if _, requested, ok := strings.Cut(err.text, "requested bytes of "); ok {
		var bytes int64
		if n, _ := fmt.Sscan(requested, &bytes); n == 1 && bytes > limit {
			code = oip.InvalidArgument // not even alone
		}
	}
	return clientError{oip.Errorf(code, "this request needs more memory than the node has left for runs, %d bytes in all: send less at a time", limit), err}
}

// clientError tells the client one thing and the log also the cause.
type clientError struct {
	refusal *oip.Error
	cause   error
}

func (e clientError) Error() string   { return fmt.Sprintf("%v (%v)", e.refusal, e.cause) }
func (e clientError) Unwrap() []error { return []error{e.refusal, e.cause} }

// BatchSplittable lets the requests of a batch run one by one: only one of them may be at fault, or each small enough.
func (e clientError) BatchSplittable() bool { return true }

// runtimeError is a failure that nobody is known to be to blame for.
type runtimeError struct {
	cause    error
	operator bool // of the model failed on a CPU, where nothing but its inputs decides about it
}

func (e runtimeError) Error() string         { return "onnx runtime: " + e.cause.Error() }
func (e runtimeError) Unwrap() error         { return e.cause }
func (e runtimeError) BatchSplittable() bool { return e.operator }

// position is a place in the runtime's source, at the front of many of its messages.
var position = regexp.MustCompile(`[\w./+-]*\.(?:cc|cpp|cu|h|hpp):\d+ `)

// plain cuts from a message of the runtime what means nothing to its reader: places in the runtime's source, and the
// signatures and conditions that follow them.
func plain(text string) string {
	for {
		at := position.FindStringIndex(text)
		if at == nil {
			return text
		}
		text = text[:at[0]] + withoutSignature(text[at[1]:])
	}
}

// withoutSignature cuts a function, "static void ns::f(int)", and a condition, "x > 0 was false. ", off the front of text.
func withoutSignature(text string) string {
	if _, reason, found := strings.Cut(text, " was false. "); found {
		return reason
	}
	name, _, found := strings.Cut(text, "(")
	if !found || !strings.Contains(name, "::") {
		return text
	}
	depth := 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return strings.TrimSpace(text[i+1:])
			}
		}
	}
	return text
}

// withoutPaths shortens every path in text to its last element: where a model lies is not a client's business.
func withoutPaths(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if at := strings.LastIndexByte(word, '/'); at >= 0 {
			words[i] = word[at+1:]
		}
	}
	return strings.Join(words, " ")
}
