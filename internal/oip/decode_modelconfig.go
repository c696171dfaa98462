package oip

import (
	"slices"
	"strconv"
	"strings"
)

// ParseModelConfig reads a model configuration as Triton spells it. Unknown are the paths of the members it met and has no
// field for ("optimization.cuda"): whether that is an error is for the caller to say.
func ParseModelConfig(body []byte) (c ModelConfig, unknown []string, err error) {
	d := configDecoder{decoder: newAdminDecoder(body)}
	err = d.section("the configuration", "", func(name string) (bool, error) { return d.modelConfig(&c, name) })
	if err == nil {
		err = d.s.end()
	}
	if err != nil {
		return ModelConfig{}, nil, err
	}
	return c, d.unknown, nil
}

// configDecoder reads a model configuration.
type configDecoder struct {
	decoder
	unknown []string
}

// section reads an object that lies at path ("dynamic_batching.", "" for the whole). member tells whether it knows the
// name; else the value is skipped and noted, unless it says no more than a default.
func (d *configDecoder) section(what, path string, member func(name string) (known bool, err error)) error {
	return d.members(what, func(name string) error {
		known, err := member(name)
		if known || err != nil {
			return err
		}
		d.s.peek()
		start := d.s.pos
		err = d.s.skip()
		if !saysNothing(d.s.buf[start:d.s.pos]) {
			d.unknown = append(d.unknown, path+shortened(name))
		}
		return err
	})
}

// saysNothing reports whether a JSON value is one that Triton prints for a field nobody set.
func saysNothing(value []byte) bool {
	switch string(value) {
	case "0", "false", `""`, "[]", "{}":
		return true
	}
	return false
}

// within is section for the member called name.
func (d *configDecoder) within(name, path string, member func(name string) (known bool, err error)) error {
	return d.section(strconv.Quote(name), path+name+".", member)
}

func (d *configDecoder) modelConfig(c *ModelConfig, name string) (known bool, err error) {
	switch name {
	case "name":
		err = d.textInto(&c.Name, name)
	case "platform":
		err = d.textInto(&c.Platform, name)
	case "backend":
		err = d.textInto(&c.Backend, name)
	case "runtime":
		err = d.textInto(&c.Runtime, name)
	case "version_policy":
		c.VersionPolicy = new(VersionPolicy)
		err = d.versionPolicy(c.VersionPolicy)
	case "max_batch_size":
		err = numberInto(&d.decoder, &c.MaxBatchSize, name)
	case "input":
		err = listInto(&d.decoder, &c.Inputs, name, d.configInput)
	case "output":
		err = listInto(&d.decoder, &c.Outputs, name, d.configOutput)
	case "optimization":
		c.Optimization = new(ConfigOptimization)
		err = d.optimization(c.Optimization)
	case "dynamic_batching":
		c.DynamicBatching = new(DynamicBatching)
		err = d.dynamicBatching(c.DynamicBatching)
	case "instance_group":
		err = listInto(&d.decoder, &c.InstanceGroups, name, d.instanceGroup)
	case "default_model_filename":
		err = d.textInto(&c.DefaultModelFilename, name)
	case "metric_tags":
		err = mapInto(&d.decoder, &c.MetricTags, name, func(v *string) error { return d.textInto(v, name) })
	case "parameters":
		err = mapInto(&d.decoder, &c.Parameters, name, d.configParameter)
	case "model_warmup":
		err = listInto(&d.decoder, &c.Warmup, name, d.warmup)
	case "model_transaction_policy":
		err = d.switchInside(name, "decoupled", &c.Decoupled)
	case "response_cache":
		c.ResponseCache = new(bool)
		err = d.switchInside(name, "enable", c.ResponseCache)
	default:
		return false, nil
	}
	return true, err
}

// switchInside reads an object whose one known member is a boolean.
func (d *configDecoder) switchInside(name, inside string, to *bool) error {
	return d.within(name, "", func(member string) (bool, error) {
		if member != inside {
			return false, nil
		}
		return true, d.flagInto(to, member)
	})
}

func (d *configDecoder) configParameter(v *string) error {
	return d.within("parameters", "", func(name string) (bool, error) {
		if name != "string_value" {
			return false, nil
		}
		return true, d.textInto(v, name)
	})
}

func (d *configDecoder) versionPolicy(p *VersionPolicy) error {
	choices := 0
	err := d.within("version_policy", "", func(name string) (known bool, err error) {
		choices++
		const path = "version_policy."
		switch name {
		case "latest":
			p.Latest = 1
			err = d.within(name, path, func(name string) (bool, error) {
				if name != "num_versions" {
					return false, nil
				}
				return true, numberInto(&d.decoder, &p.Latest, name)
			})
		case "all":
			p.All = true
			err = d.within(name, path, func(string) (bool, error) { return false, nil })
		case "specific":
			p.Specific = []int64{}
			err = d.within(name, path, func(name string) (bool, error) {
				if name != "versions" {
					return false, nil
				}
				return true, numbersInto(&d.decoder, &p.Specific, name)
			})
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && choices > 1 {
		err = invalid("\"version_policy\" has %d members, expected one of \"latest\", \"all\" and \"specific\"", choices)
	}
	return err
}

// configDatatype reads the name of a datatype.
func (d *configDecoder) configDatatype(to *Datatype) error {
	var text string
	if err := d.textInto(&text, "data_type"); err != nil {
		return err
	}
	t, ok := ParseConfigDatatype(text)
	if !ok {
		return invalid("unknown data_type %s, expected TYPE_STRING or TYPE_ with one of %s", quoted(text),
			strings.TrimSuffix(acceptedDatatypes, ", BYTES"))
	}
	*to = t
	return nil
}

// oneOf reads a string that must be one of some words.
func (d *configDecoder) oneOf(to *string, what string, words ...string) error {
	if err := d.textInto(to, what); err != nil {
		return err
	}
	if slices.Contains(words, *to) {
		return nil
	}
	return invalid("%q is %s, expected one of %s", what, quoted(*to), strings.Join(words, ", "))
}

func (d *configDecoder) reshape(to *[]int64, path string) error {
	*to = []int64{}
	return d.within("reshape", path, func(name string) (bool, error) {
		if name != "shape" {
			return false, nil
		}
		return true, numbersInto(&d.decoder, to, name)
	})
}

func (d *configDecoder) configInput(in *ConfigInput) error {
	const path = "input."
	return d.section("an entry of \"input\"", path, func(name string) (known bool, err error) {
		switch name {
		case "name":
			err = d.textInto(&in.Name, name)
		case "data_type":
			err = d.configDatatype(&in.Datatype)
		case "format":
			err = d.oneOf(&in.Format, name, "FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW")
		case "dims":
			err = numbersInto(&d.decoder, &in.Dims, name)
		case "reshape":
			err = d.reshape(&in.Reshape, path)
		case "is_shape_tensor":
			err = d.flagInto(&in.IsShapeTensor, name)
		case "allow_ragged_batch":
			err = d.flagInto(&in.AllowRaggedBatch, name)
		case "optional":
			err = d.flagInto(&in.Optional, name)
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *configDecoder) configOutput(out *ConfigOutput) error {
	const path = "output."
	return d.section("an entry of \"output\"", path, func(name string) (known bool, err error) {
		switch name {
		case "name":
			err = d.textInto(&out.Name, name)
		case "data_type":
			err = d.configDatatype(&out.Datatype)
		case "dims":
			err = numbersInto(&d.decoder, &out.Dims, name)
		case "reshape":
			err = d.reshape(&out.Reshape, path)
		case "label_filename":
			err = d.textInto(&out.LabelFilename, name)
		case "is_shape_tensor":
			err = d.flagInto(&out.IsShapeTensor, name)
		default:
			return false, nil
		}
		return true, err
	})
}
