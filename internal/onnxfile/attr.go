package onnxfile

// Attr is a named constant of a node, made by Int, Float32, Str, Ints, Floats,
// Strs or TensorAttr.
type Attr struct {
	name string
	body message // the AttributeProto
}

// Int is an integer attribute.
func Int(name string, v int64) Attr { return Attr{name: name} }

// Float32 is a float attribute.
func Float32(name string, v float32) Attr { return Attr{name: name} }

// Str is a string attribute.
func Str(name, v string) Attr { return Attr{name: name} }

// Ints is a list of integers.
func Ints(name string, v ...int64) Attr { return Attr{name: name} }

// Floats is a list of floats.
func Floats(name string, v ...float32) Attr { return Attr{name: name} }

// Strs is a list of strings.
func Strs(name string, v ...string) Attr { return Attr{name: name} }

// TensorAttr is a tensor attribute, such as the value of a Constant node.
func TensorAttr(name string, v Data) Attr { return Attr{name: name} }

type message struct{}
