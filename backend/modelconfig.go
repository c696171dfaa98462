package backend

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// modelConfig is a model's config.toml. It holds for all versions of the model.
type modelConfig struct {
	Inputs map[string]inputConfig `toml:"inputs"`
}

// inputConfig is [inputs.NAME].
type inputConfig struct {
	// Text makes an input of UINT8 [-1,-1] also take BYTES: one string a row, padded with zeros to the longest.
	Text bool `toml:"text"`
}

// config reads a model's config.toml; without the file it is empty.
func (r *repository) config(name string) (modelConfig, error) {
	var c modelConfig
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
	warnings, err := conf.Decode(relative, src, &c)
	for _, w := range warnings {
		r.log.Warn("model configuration", "model", name, "problem", w)
	}
	return c, err
}

// textInputs says which inputs take text, parallel to inputs. A configuration that does not fit the model is an error.
func (c modelConfig) textInputs(inputs []oip.TensorMetadata) ([]bool, error) {
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
