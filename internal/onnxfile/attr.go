package onnxfile

// Attr is a named constant of a node, made by Int, Float32, Str, Ints, Floats,
// Strs or TensorAttr.
type Attr struct {
	name  string
	kind  int64 // AttributeProto.AttributeType
	value func(*message) error
}

// The values of AttributeProto.AttributeType.
const (
	attrFloat   = 1
	attrInt     = 2
	attrString  = 3
	attrTensor  = 4
	attrFloats  = 6
	attrInts    = 7
	attrStrings = 8
)

// Int is an integer attribute.
func Int(name string, v int64) Attr {
	return attr(name, attrInt, func(m *message) { m.int(3, v) })
}

// Float32 is a float attribute; ONNX has no wider ones.
func Float32(name string, v float32) Attr {
	return attr(name, attrFloat, func(m *message) { m.float(2, v) })
}

// Str is a string attribute.
func Str(name, v string) Attr {
	return attr(name, attrString, func(m *message) { m.text(4, v) })
}

// Ints is a list of integers.
func Ints(name string, v ...int64) Attr {
	return attr(name, attrInts, func(m *message) {
		for _, x := range v {
			m.int(8, x)
		}
	})
}

// Floats is a list of floats.
func Floats(name string, v ...float32) Attr {
	return attr(name, attrFloats, func(m *message) {
		for _, x := range v {
			m.float(7, x)
		}
	})
}

// Strs is a list of strings.
func Strs(name string, v ...string) Attr {
	return attr(name, attrStrings, func(m *message) {
		for _, s := range v {
			m.text(9, s)
		}
	})
}

// TensorAttr is a tensor attribute, such as the value of a Constant node.
func TensorAttr(name string, v Data) Attr {
	return Attr{name: name, kind: attrTensor, value: func(m *message) error {
		t, err := v.message()
		if err != nil {
			return err
		}
		m.sub(5, t)
		return nil
	}}
}

// attr is an attribute whose value cannot be wrong.
func attr(name string, kind int64, value func(*message)) Attr {
	return Attr{name: name, kind: kind, value: func(m *message) error {
		value(m)
		return nil
	}}
}

// message is the AttributeProto.
func (a Attr) message() (*message, error) {
	m := new(message)
	m.text(1, a.name)
	if err := a.value(m); err != nil {
		return nil, err
	}
	m.int(20, a.kind)
	return m, nil
}
