package onnx

import (
	"strconv"

	"ganglion/internal/oip"
)

// elements names the runtime's tensor element types by number and gives those that the protocol has their datatype.
var elements = [...]struct {
	name     string
	datatype oip.Datatype
}{
	0: {"undefined", oip.Invalid}, 1: {"float32", oip.FP32}, 2: {"uint8", oip.Uint8}, 3: {"int8", oip.Int8},
	4: {"uint16", oip.Uint16}, 5: {"int16", oip.Int16}, 6: {"int32", oip.Int32}, 7: {"int64", oip.Int64},
	8: {"string", oip.Bytes}, 9: {"bool", oip.Bool}, 10: {"float16", oip.FP16}, 11: {"float64", oip.FP64},
	12: {"uint32", oip.Uint32}, 13: {"uint64", oip.Uint64}, 14: {"complex64", oip.Invalid}, 15: {"complex128", oip.Invalid},
	16: {"bfloat16", oip.BF16}, 17: {"float8e4m3fn", oip.Invalid}, 18: {"float8e4m3fnuz", oip.Invalid},
	19: {"float8e5m2", oip.Invalid}, 20: {"float8e5m2fnuz", oip.Invalid}, 21: {"uint4", oip.Invalid}, 22: {"int4", oip.Invalid},
}

// kinds says what an input or output can be, by the runtime's number.
var kinds = [...]string{"of unknown kind", "a tensor", "a sequence", "a map", "an opaque value", "a sparse tensor", "an optional value"}

// kindTensor is the only kind that the protocol can carry.
const kindTensor = 1

func elementName(element uint32) string {
	if int(element) < len(elements) {
		return elements[element].name
	}
	return "type " + strconv.Itoa(int(element))
}

func kindName(kind uint32) string {
	if int(kind) < len(kinds) {
		return kinds[kind]
	}
	return "of kind " + strconv.Itoa(int(kind))
}

// datatypeOf is the protocol's datatype for the runtime's element type, oip.Invalid when it has none.
func datatypeOf(element uint32) oip.Datatype {
	if int(element) < len(elements) {
		return elements[element].datatype
	}
	return oip.Invalid
}

// elementOf is the runtime's element type for a datatype.
func elementOf(d oip.Datatype) uint32 {
	for element, e := range elements {
		if e.datatype == d {
			return uint32(element)
		}
	}
	return 0
}
