package oip

// TensorMetadata describes an input or output of a model. A dimension of -1 varies.
type TensorMetadata struct {
	Name     string
	Datatype Datatype
	Shape    []int64
}

// ModelMetadata is the answer to GET /v2/models/NAME.
type ModelMetadata struct {
	Name     string
	Versions []string // the ready ones
	Platform string
	Inputs   []TensorMetadata
	Outputs  []TensorMetadata
}

// ServerMetadata is the answer to GET /v2.
type ServerMetadata struct {
	Name       string
	Version    string
	Extensions []string // only what is implemented: clients plan by it
}

// AppendServerMetadata appends m as JSON.
func AppendServerMetadata(dst []byte, m *ServerMetadata) []byte {
	dst = append(dst, `{"name":`...)
	dst = AppendJSONString(dst, m.Name)
	dst = append(dst, `,"version":`...)
	dst = AppendJSONString(dst, m.Version)
	dst = append(dst, `,"extensions":`...)
	dst = appendStringList(dst, m.Extensions)
	return append(dst, '}')
}

// AppendModelMetadata appends m as JSON.
func AppendModelMetadata(dst []byte, m *ModelMetadata) []byte {
	dst = append(dst, `{"name":`...)
	dst = AppendJSONString(dst, m.Name)
	dst = append(dst, `,"versions":`...)
	dst = appendStringList(dst, m.Versions)
	dst = append(dst, `,"platform":`...)
	dst = AppendJSONString(dst, m.Platform)
	dst = append(dst, `,"inputs":`...)
	dst = appendTensorMetadata(dst, m.Inputs)
	dst = append(dst, `,"outputs":`...)
	dst = appendTensorMetadata(dst, m.Outputs)
	return append(dst, '}')
}

// appendTensorMetadata appends a list of tensors.
func appendTensorMetadata(dst []byte, tensors []TensorMetadata) []byte {
	dst = append(dst, '[')
	for i, t := range tensors {
		dst = appendComma(dst, i)
		dst = append(dst, `{"name":`...)
		dst = AppendJSONString(dst, t.Name)
		dst = append(dst, `,"datatype":"`...)
		dst = append(dst, t.Datatype.String()...)
		dst = append(dst, `","shape":`...)
		dst = appendShape(dst, t.Shape)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendStringList appends a list of strings.
func appendStringList(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		dst = appendComma(dst, i)
		dst = AppendJSONString(dst, s)
	}
	return append(dst, ']')
}
