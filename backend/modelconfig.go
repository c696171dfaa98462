package backend

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ganglion/backend/modelconf"
	"ganglion/internal/oip"
)

// modelConfig is what a model's configuration file says; see package modelconf.
type modelConfig = modelconf.Config

// findOut is a MaxBatchSize that no file can mean.
const findOut = modelconf.FindOut

// config reads a model's config.toml; without the file it is empty.
func (r *repository) config(name string) (modelConfig, error) {
	c := modelconf.Default()
	relative := filepath.Join(name, configFile)
	if !exists(filepath.Join(r.root, relative)) {
		return c, nil
	}
	path, err := r.resolve(relative)
	if err != nil {
		return c, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("%s: %w", relative, bare(err))
	}
	c, err = modelconf.ReadTOML(relative, src)
	for _, w := range c.Warnings {
		r.log.Warn("model configuration", "model", name, "problem", w)
	}
	return c, err
}

// engineOptions are what the file says to the engine.
func engineOptions(c *modelConfig) ModelOptions {
	opt := ModelOptions{
		Threads:      c.Instances.Threads,
		Optimization: c.Engine.Optimization,
		CUDA: CUDAOptions{
			MemoryLimit: int64(c.Engine.CUDA.MemoryLimit),
			Arena:       c.Engine.CUDA.Arena,
			ConvSearch:  c.Engine.CUDA.ConvSearch,
			NoTF32:      !c.Engine.CUDA.TF32,
		},
		TensorRT: TensorRTOptions{
			FP16:        c.Engine.TensorRT.FP16,
			Workspace:   int64(c.Engine.TensorRT.Workspace),
			EngineCache: c.Engine.TensorRT.EngineCache,
		},
	}
	for _, p := range c.Instances.Placements() {
		name, number, _ := strings.Cut(p.Device, ":")
		group := InstanceGroup{Provider: Provider(name), Count: p.Count}
		if gpu, err := strconv.Atoi(number); err == nil { // there may be none, and there is no other text
			group.GPUs = []int{gpu}
		}
		opt.Instances = append(opt.Instances, group)
	}
	return opt
}

// textInputs says which inputs take text, parallel to inputs. A configuration that does not fit the model is an error.
func textInputs(c *modelConfig, inputs []oip.TensorMetadata) ([]bool, error) {
	text := make([]bool, len(inputs))
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		i := slices.IndexFunc(inputs, func(in oip.TensorMetadata) bool { return in.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s configures an input %q, but the model's inputs are %s", configFile, name, namesOf(inputs))
		}
		if in := inputs[i]; c.Inputs[name].Text {
			if in.Datatype != oip.Uint8 || len(in.Shape) != 2 || in.Shape[1] >= 0 {
				return nil, fmt.Errorf("%s sets text = true for input %q, which is %s %v: text needs UINT8 [-1 -1]", configFile, name, in.Datatype, in.Shape)
			}
			text[i] = true
		}
	}
	return text, nil
}

func namesOf(tensors []oip.TensorMetadata) string {
	names := make([]string, len(tensors))
	for i, t := range tensors {
		names[i] = t.Name
	}
	return fmt.Sprintf("%q", names)
}
