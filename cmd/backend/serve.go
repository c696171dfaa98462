package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/internal/cmdline"
	"ganglion/internal/lifecycle"
)

// serve is `backend serve`.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stdout)
	if err != nil {
		return cmdline.UnlessHelp(err)
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
	if o.node.ID != "" {
		log = log.With("node", o.node.ID)
	}
	ctx, release := lifecycle.Signals(ctx, log, ignoreHangup)
	defer release()

	library, err := onnx.FindLibrary()
	if err != nil {
		return err
	}
	security, err := secure(o.tls, log)
	if err != nil {
		return err
	}
	o.node.TLS = security.http
	// The ports are taken before anything is loaded, so that one in use is all that is said.
	ports, err := listen(o)
	if err != nil {
		return err
	}
	defer ports.close()
	engine, err := onnx.New(onnx.Config{Library: library, Device: o.device, Memory: int64(o.memory.value)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if gpus := watchGPUs(engine, log); gpus != nil {
		o.node.Devices = gpus // and never nil as an interface that is not
		defer func() { err = errors.Join(err, gpus.Close()) }()
	}
	node, err := backend.New(o.node, engine, log)
	if err != nil {
		return err
	}
	ports.addGRPC(node, o.node, security.grpc, log)
	info := engine.Info()
	log.Info("serving", "address", ports.http.Addr().String(), "grpc", ports.grpcAddress(), "tls", security.word, "version", version, "models", o.node.Models,
		"engine", info.Name, "engine_version", info.Version, "library", library,
		"device", info.Device, "device_reason", info.Reason, "runs", info.Runs, "memory", o.memory.String())
	if err := node.Run(ctx, ports.http); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}
