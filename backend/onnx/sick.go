package onnx

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ganglion/internal/oip"
)

// lasting are the errors of CUDA that last: once one has come up, every later call of the process fails with it too, or the
// device is not there any more. They come by their number, their name or their text, depending on which part of the runtime
// reports them. Not among them are those of a single call, above all 2: out of memory.
var lasting = []struct {
	code       int
	name, text string
}{
	{46, "cudaErrorDevicesUnavailable", "all CUDA-capable devices are busy or unavailable"},
	{100, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
	{101, "cudaErrorInvalidDevice", "invalid device ordinal"},
	{214, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
	{220, "cudaErrorNvlinkUncorrectable", "uncorrectable NVLink error detected during the execution"},
	{700, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
	{702, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
	{709, "cudaErrorContextIsDestroyed", "context is destroyed"},
	{710, "cudaErrorAssert", "device-side assert triggered"},
	{714, "cudaErrorHardwareStackError", "hardware stack error"},
	{715, "cudaErrorIllegalInstruction", "an illegal instruction was encountered"},
	{716, "cudaErrorMisalignedAddress", "misaligned address"},
	{717, "cudaErrorInvalidAddressSpace", "operation not supported on global/shared address space"},
	{718, "cudaErrorInvalidPc", "invalid program counter"},
	{719, "cudaErrorLaunchFailure", "unspecified launch failure"},
	{802, "cudaErrorSystemNotReady", "system not yet initialized"},
	{999, "cudaErrorUnknown", "cudaErrorUnknown"},
}

// cudaCode finds the number in "CUDA failure 700: …" and "CUDA error 700 …".
var cudaCode = regexp.MustCompile(`(?i)\bCUDA (?:runtime )?(?:failure|error):? (\d+)`)

// lastingError finds an error of CUDA that lasts in the text of a failed run, and returns its name, or "".
func lastingError(text string) string {
	if match := cudaCode.FindStringSubmatch(text); match != nil {
		for _, e := range lasting {
			if strconv.Itoa(e.code) == match[1] {
				return e.name
			}
		}
		return ""
	}
	if !strings.Contains(strings.ToLower(text), "cuda") {
		return "" // its words alone are common ones
	}
	for _, e := range lasting {
		if strings.Contains(text, e.name) || strings.Contains(text, e.text) {
			return e.name
		}
	}
	return ""
}

// examine looks at why a run on a GPU has failed, and takes the engine for sick when all that come after it will.
func (e *Engine) examine(d device, err error) {
	if name := lastingError(err.Error()); name != "" {
		e.fall(fmt.Errorf("%s fails every run since a %s: %w", d, name, err))
	}
}

// fall makes the engine sick; the first reason stays.
func (e *Engine) fall(reason error) { e.sick.CompareAndSwap(nil, &reason) }

// Health is nil, or why runs on a GPU fail and will go on failing until the process is started anew.
func (e *Engine) Health() error {
	if reason := e.sick.Load(); reason != nil {
		return *reason
	}
	return nil
}

// sickError is what requests get from an engine that is sick: another node can answer them.
type sickError struct {
	refusal *oip.Error
	cause   error
}

func newSickError(cause error) sickError {
	return sickError{oip.Errorf(oip.Unavailable, "the node's GPU has failed"), cause}
}

func (e sickError) Error() string   { return fmt.Sprintf("%v (%v)", e.refusal, e.cause) }
func (e sickError) Unwrap() []error { return []error{e.refusal, e.cause} }

// BatchSplittable keeps a batch together: its requests would fail one by one.
func (e sickError) BatchSplittable() bool { return false }
