package oip

import "fmt"

// ParseModelMetadata reads a model's metadata as any server of the protocol sends it. It is for clients: it may allocate
// as it likes, in proportion to the body.
func ParseModelMetadata(body []byte) (ModelMetadata, error) {
	var (
		m    ModelMetadata
		mem  memory
		seen fields
	)
	d := newDecoder(&mem, body, DefaultLimits(), outputRole)
	err := d.object("the metadata", func(key []byte) error { return d.metadataMember(&m, key, &seen) })
	if err == nil {
		err = d.s.end()
	}
	if err == nil && m.Name == "" {
		err = invalid("it has no \"name\"")
	}
	if err != nil {
		return ModelMetadata{}, Errorf(Internal, "cannot read model metadata: %v", err)
	}
	return m, nil
}

const (
	metadataName fields = 1 << iota
	metadataVersions
	metadataPlatform
	metadataInputs
	metadataOutputs
)

// metadataMember reads one member of a model's metadata.
func (d *decoder) metadataMember(m *ModelMetadata, key []byte, seen *fields) (err error) {
	switch string(key) {
	case "name":
		if err = seen.add(metadataName, "name"); err == nil {
			m.Name, err = d.name(`"name"`)
		}
	case "versions":
		if err = seen.add(metadataVersions, "versions"); err == nil {
			m.Versions, err = d.versions()
		}
	case "platform":
		if err = seen.add(metadataPlatform, "platform"); err == nil {
			m.Platform, err = d.optionalName(`"platform"`)
		}
	case "inputs":
		if err = seen.add(metadataInputs, "inputs"); err == nil {
			m.Inputs, err = d.tensorMetadataList(`"inputs"`)
		}
	case "outputs":
		if err = seen.add(metadataOutputs, "outputs"); err == nil {
			m.Outputs, err = d.tensorMetadataList(`"outputs"`)
		}
	default:
		err = d.s.skip()
	}
	return err
}

// versions reads a list of version names.
func (d *decoder) versions() (versions []string, err error) {
	if none, err := d.absent(); none || err != nil {
		return nil, err
	}
	err = d.list(`"versions"`, func(int) error {
		v, err := d.name("a version")
		versions = append(versions, v)
		return err
	})
	return versions, err
}

// tensorMetadataList reads "inputs" or "outputs" of a model's metadata.
func (d *decoder) tensorMetadataList(what string) (list []TensorMetadata, err error) {
	err = d.tensorList(what, func(index int) error {
		t, err := d.tensorMetadata(fmt.Sprintf("%s[%d]", what, index))
		list = append(list, t)
		return err
	})
	return list, err
}

// tensorMetadata reads the description of one input or output. What else servers put into it is skipped.
func (d *decoder) tensorMetadata(what string) (t TensorMetadata, err error) {
	err = d.object(what, func(key []byte) (err error) {
		switch string(key) {
		case "name":
			t.Name, err = d.name(`"name"`)
		case "datatype":
			t.Datatype, err = d.datatype()
		case "shape":
			t.Shape, err = d.metadataShape()
		default:
			err = d.s.skip()
		}
		return err
	})
	if err == nil && (t.Name == "" || t.Datatype == Invalid || t.Shape == nil) {
		err = invalid("it needs \"name\", \"datatype\" and \"shape\"")
	}
	if err != nil {
		err = prefixed(what, err)
	}
	return t, err
}

// metadataShape reads a shape with dimensions that may be -1.
func (d *decoder) metadataShape() ([]int64, error) {
	shape := []int64{}
	err := d.list(`"shape"`, func(index int) error {
		if index == MaxRank {
			return invalid("\"shape\" has more than the %d dimensions accepted", MaxRank)
		}
		dim, fault := d.s.signed(Int64)
		if fault == "" && dim < -1 {
			fault = fmt.Sprintf(" is %d, expected a whole number from -1", dim)
		}
		if fault != "" {
			return invalid("shape[%d]%s", index, fault)
		}
		shape = append(shape, dim)
		return nil
	})
	return shape, err
}
