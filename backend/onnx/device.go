package onnx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"ganglion/internal/onnxfile"
)

// device is where sessions run.
type device struct {
	auto bool
	cuda int // the CUDA device's number; -1 is the CPU
}

const cpu = -1

// ParseDevice reports whether s is a device that New takes: "auto", "cpu" or "cuda:N".
func ParseDevice(s string) error {
	_, err := parseDevice(s)
	return err
}

func parseDevice(s string) (device, error) {
	switch s {
	case "auto", "":
		return device{auto: true, cuda: cpu}, nil
	case "cpu":
		return device{cuda: cpu}, nil
	}
	if number, ok := strings.CutPrefix(s, "cuda:"); ok {
		// Nobody has a thousand devices in one host; Atoi would take signs too.
		if n, err := strconv.ParseUint(number, 10, 10); err == nil {
			return device{cuda: int(n)}, nil
		}
	}
	return device{}, fmt.Errorf(`unknown device %q: want "auto", "cpu" or "cuda:N", such as "cuda:0"`, s)
}

func (d device) String() string {
	if d.cuda == cpu {
		return "cpu"
	}
	return "cuda:" + strconv.Itoa(d.cuda)
}

// chooseDevice settles what "auto" means on this machine, and finds out whether a device asked for by name is there. The
// reason is for the log.
func (e *Engine) chooseDevice(want device) (took device, reason string, err error) {
	switch {
	case want.auto:
		first := device{cuda: 0}
		if err := e.try(first); err != nil {
			return device{cuda: cpu}, "no CUDA device can be used: " + err.Error(), nil
		}
		return first, "auto: the first CUDA device answered", nil
	case want.cuda == cpu:
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
	options, err := e.sessionOptions(d, 1)
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

// appendCUDA adds the CUDA provider to options.
func appendCUDA(options *ort.SessionOptions, number int) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("this onnx runtime was built without CUDA (%w)", tidy(err))
	}
	defer destroy(cuda)
	if err := cuda.Update(map[string]string{"device_id": strconv.Itoa(number)}); err != nil {
		return tidy(err)
	}
	return tidy(options.AppendExecutionProviderCUDA(cuda))
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
