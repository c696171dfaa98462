package onnx

// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"

	"ganglion/internal/oip"
)

// The runtime's error codes that say something about the caller.
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

func isInvalidArgument(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == codeInvalidArgument
}

// runError judges the error of a run: what the runtime calls an invalid argument is the request's fault, since names and
// types were settled when the model was loaded.
func runError(err error) error {
	var status *statusError
	if errors.As(err, &status) && status.code == codeInvalidArgument {
		return oip.Errorf(oip.InvalidArgument, "the model does not take these inputs: %s", withoutPaths(status.text))
	}
	return fmt.Errorf("onnx runtime: %w", err)
}

// withoutPaths shortens every path in text to its last element: where a model lies, or where the runtime was built, is
// not a client's business.
func withoutPaths(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if at := strings.LastIndexByte(word, '/'); at >= 0 {
			words[i] = word[at+1:]
		}
	}
	return strings.Join(words, " ")
}
