package onnx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/backend"
	"ganglion/internal/onnxfile"
)

// device is where sessions run: a provider and, unless that is the CPU, the number of its GPU.
type device struct {
	provider backend.Provider
	gpu      int
}

var onCPU = device{provider: backend.CPU}

// isGPU reports whether the device computes anywhere but on the CPU.
func (d device) isGPU() bool { return d.provider != backend.CPU }

// ParseDevice reports whether s is a device that New takes: "auto", "cpu", "cuda:N" or "tensorrt:N".
func ParseDevice(s string) error {
	_, _, err := parseDevice(s)
	return err
}

// parseDevice reads a device, or that one is to be chosen.
func parseDevice(s string) (d device, auto bool, err error) {
	switch s {
	case "auto", "":
		return device{}, true, nil
	case string(backend.CPU):
		return onCPU, false, nil
	}
	provider, number, _ := strings.Cut(s, ":")
	if p := backend.Provider(provider); p == backend.CUDA || p == backend.TensorRT {
		// Nobody has a thousand devices in one host; Atoi would take signs too.
		if n, err := strconv.ParseUint(number, 10, 10); err == nil {
			return device{p, int(n)}, false, nil
		}
	}
	return device{}, false, fmt.Errorf(`unknown device %q: want "auto", "cpu", "cuda:N" or "tensorrt:N", such as "cuda:0"`, s)
}

func (d device) String() string {
	if !d.isGPU() {
		return string(d.provider)
	}
	return string(d.provider) + ":" + strconv.Itoa(d.gpu)
}

// chooseDevice settles what "auto" means on this machine, and finds out whether a device asked for by name is there. The
// reason is for the log.
func (e *Engine) chooseDevice(want device, auto bool) (took device, reason string, err error) {
	switch {
	case auto:
		first := device{provider: backend.CUDA}
		if err := e.try(first); err != nil {
			return onCPU, "no CUDA device can be used: " + err.Error(), nil
		}
		return first, "auto: the first CUDA device answered", nil
	case !want.isGPU():
		return want, "asked for", nil
	default:
		if err := e.try(want); err != nil {
			return device{}, "", fmt.Errorf("device %q is not available: %w", want, err)
		}
		return want, "asked for, and answered", nil
	}
}

// try loads a small model onto the device, since the CUDA provider finds out only then whether the device is there.
func (e *Engine) try(d device) error {
	options, err := e.sessionOptions(d, backend.ModelOptions{})
	if err != nil {
		return err
	}
	defer destroy(options)
	model, err := probeModel()
	if err != nil {
		return err
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(model, nil, nil, options)
	if err != nil {
		return tidy(err)
	}
	return session.Destroy()
}

// probeModel is a model of one addition.
func probeModel() ([]byte, error) {
	var m onnxfile.Model
	m.Name = "probe"
	m.Input("x", onnxfile.Float, onnxfile.Fixed(1))
	m.Output("y", onnxfile.Float, onnxfile.Fixed(1))
	m.Node("Add", "x x", "y")
	return m.Bytes()
}

// constantModel is a model that takes nothing and computes nothing.
func constantModel() ([]byte, error) {
	var m onnxfile.Model
	m.Name = "constant"
	m.Initializer(onnxfile.NewData("zero", []float32{0}, 1))
	m.Output("y", onnxfile.Float, onnxfile.Fixed(1))
	m.Node("Identity", "zero", "y")
	return m.Bytes()
}

// destroy frees what the binding made. It fails only for what has been destroyed already.
func destroy(made interface{ Destroy() error }) {
	if err := made.Destroy(); err != nil {
		panic("BUG: destroyed twice: " + err.Error())
	}
}

// tidy makes one line of an error of the binding and cuts what tells only about its insides and the runtime's.
func tidy(err error) error {
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, prefix := range []string{"Error creating C session from file: ", "Error creating C session: ", "Platform-specific initialization failed: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(plain(text))
}
