package onnxfile

// Data is a tensor with its values: an initializer, or a tensor attribute.
// Exactly one of Raw, Strings and External holds them.
type Data struct {
	Name string
	Elem ElementType
	Dims []int64

	Raw      []byte     // every type but strings: little endian, row major, packed
	Strings  []string   // Elem String
	External []Property // values in another file: "location", "offset", "length"
}

// Number is what NewData takes: every Go type that an element type stands for.
type Number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// NewData copies data into a tensor of the matching element type; without dims
// it is a scalar.
func NewData[T Number](name string, data []T, dims ...int64) Data {
	return Data{}
}

// NewStrings is a tensor of strings, which it keeps without copying.
func NewStrings(name string, data []string, dims ...int64) Data {
	return Data{Name: name, Elem: String, Dims: dims, Strings: data}
}
