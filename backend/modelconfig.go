package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ganglion/backend/modelconf"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// modelConfig is what a model's configuration file says; see package modelconf.
type modelConfig = modelconf.Config

// findOut is a MaxBatchSize that no file can mean.
const findOut = modelconf.FindOut

// config reads a model's configuration: config.toml, or else Triton's config.pbtxt; without either it is empty.
func (r *repository) config(name string) (modelConfig, error) {
	own, triton := filepath.Join(name, modelconf.TOMLFile), filepath.Join(name, modelconf.PBTXTFile)
	both := exists(filepath.Join(r.root, own)) && exists(filepath.Join(r.root, triton))
	switch {
	case exists(filepath.Join(r.root, own)):
		if both {
			r.log.Warn("a model has two configurations", "model", name, "read", modelconf.TOMLFile, "not_read", modelconf.PBTXTFile)
		}
		return r.readConfig(name, own, modelconf.ReadTOML)
	case exists(filepath.Join(r.root, triton)):
		return r.readConfig(name, triton, func(file string, src []byte) (modelConfig, error) {
			return modelconf.ReadPBTXT(file, name, src)
		})
	}
	return modelconf.Default(), nil
}

// override is the configuration that a load request brings, in place of the file.
func (r *repository) override(name string, json []byte) (modelConfig, error) {
	c, err := modelconf.ReadJSON(name, json)
	r.warn(name, &c)
	return c, err
}

// largestConfig is a bound of both formats, in bytes.
const largestConfig = 1 << 20

func (r *repository) readConfig(name, relative string, read func(string, []byte) (modelConfig, error)) (modelConfig, error) {
	src, err := r.read(relative, largestConfig)
	if err != nil {
		return modelConfig{}, err
	}
	c, err := read(relative, src)
	r.warn(name, &c)
	return c, err
}

func (r *repository) warn(name string, c *modelConfig) {
	for _, w := range c.Warnings {
		r.log.Warn("model configuration", "model", name, "problem", w)
	}
}

// read returns the content of a small file of the repository.
func (r *repository) read(relative string, most int64) ([]byte, error) {
	path, err := r.resolve(relative)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes: at most %d are read", relative, info.Size(), most)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", relative, bare(err))
	}
	return content, nil
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
		opt.Instances = append(opt.Instances, engineGroup(&p))
	}
	return opt
}

// engineGroup is a device as the engine takes it: "cuda:1" is GPU 1 on the provider "cuda".
func engineGroup(p *modelconf.Placement) InstanceGroup {
	name, number, _ := strings.Cut(p.Device, ":")
	group := InstanceGroup{Provider: Provider(name), Count: p.Count}
	if gpu, err := strconv.Atoi(number); err == nil { // there may be none, and there is no other text
		group.GPUs = []int{gpu}
	}
	return group
}

// textInputs says which inputs take text, parallel to inputs. A configuration that does not fit the model is an error.
func textInputs(c *modelConfig, inputs []oip.TensorMetadata) ([]bool, error) {
	text := make([]bool, len(inputs))
	for i, in := range inputs {
		if !c.Inputs[in.Name].Text {
			continue
		}
		if in.Datatype != oip.Uint8 || len(in.Shape) != 2 || in.Shape[1] >= 0 {
			return nil, fmt.Errorf("%s sets text = true for input %q, which is %s %v: text needs UINT8 [-1 -1]",
				c.Where("inputs."+conf.Quote(in.Name)+".text"), in.Name, in.Datatype, in.Shape)
		}
		text[i] = true
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
