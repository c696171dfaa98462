package main

import (
	"errors"
	"log/slog"

	"ganglion/backend/gpu"
	"ganglion/backend/onnx"
)

// watchGPUs opens the watch on the GPUs that the engine uses; nil on a host that has none. A driver that cannot be asked
// costs metrics, and keeps no node from serving.
func watchGPUs(engine *onnx.Engine, log *slog.Logger) *gpu.Monitor {
	monitor, err := gpu.Open(gpu.Config{Used: engine.GPUs, Log: log})
	switch {
	case errors.Is(err, gpu.ErrNone):
		log.Debug("no GPUs to watch", "reason", err)
	case err != nil:
		log.Warn("cannot watch the GPUs: no nv_gpu_* metrics, and a lost one shows only when a run fails", "reason", err)
	}
	return monitor
}
