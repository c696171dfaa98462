package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"ganglion/backend"
	"ganglion/backend/inspect"
	"ganglion/backend/onnx"
	"ganglion/internal/cmdline"
)

const inspectUsage = `usage: backend inspect [flags] MODEL

Says what a model is: inputs, outputs, named dimensions, operators, parameters, weights in other
files, and which provider of ONNX Runtime would run which operators. MODEL is a .onnx file, the
folder of a model or of a version, or the name of a model in the repository.

  --models DIR     the model repository that names are looked up in (default "models")
  --device DEVICE  what providers are asked about: auto, cpu, cuda:N or tensorrt:N (default "auto")
  --no-engine      read the file only; then neither the library nor memory for the model is needed
  --json           print the report as JSON

The exit code is 1 if the file cannot be read or ONNX Runtime does not load it.
`

// errDoesNotLoad ends a command whose report tells why.
var errDoesNotLoad = errors.New("onnx runtime does not load the model")

// inspectModel is `backend inspect`.
func inspectModel(args []string, stdout io.Writer) error {
	line := newCommand("inspect", inspectUsage)
	models := line.String("models", "models", "")
	device := line.String("device", "auto", "")
	noEngine := line.Bool("no-engine", false, "")
	asJSON := line.Bool("json", false, "")
	what, err := line.Read(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	if len(what) != 1 {
		return line.Misused("want one MODEL, got %d", len(what))
	}
	if err := onnx.ParseDevice(*device); err != nil {
		return line.Misused("--device: %w", err)
	}
	path, err := inspect.Find(*models, what[0])
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	report, err := inspect.File(path)
	if err != nil {
		return err
	}
	if !*noEngine {
		if report.Engine, err = askEngine(path, *device); err != nil {
			return err
		}
	}
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		err = report.WriteText(stdout)
	}
	if err == nil && report.Engine != nil && report.Engine.Problem != "" {
		err = errDoesNotLoad
	}
	return err
}

// askEngine loads the model to see which provider takes what of it.
func askEngine(path, device string) (report *inspect.Engine, err error) {
	library, err := onnx.FindLibrary()
	if err != nil {
		return nil, err
	}
	engine, err := onnx.New(onnx.Config{Library: library, Device: device})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	info := engine.Info()
	report = &inspect.Engine{Name: info.Name, Version: info.Version, Device: info.Device, Coverage: []inspect.Coverage{}}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	assigned, err := engine.Assigned(absolute, backend.ModelOptions{})
	if err != nil {
		report.Problem = err.Error()
		return report, nil
	}
	for _, a := range assigned { // sorted by provider
		if n := len(report.Coverage); n == 0 || report.Coverage[n-1].Provider != a.Provider {
			report.Coverage = append(report.Coverage, inspect.Coverage{Provider: a.Provider})
		}
		c := &report.Coverage[len(report.Coverage)-1]
		c.Add(a.Domain, a.Operator, a.Nodes)
	}
	return report, nil
}
