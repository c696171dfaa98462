package oip

// Datatype is the type of a tensor's elements.
type Datatype uint8

// The datatypes of the protocol. BF16 is Triton's addition to it. The zero value is no datatype.
const (
	Invalid Datatype = iota
	Bool
	Uint8
	Uint16
	Uint32
	Uint64
	Int8
	Int16
	Int32
	Int64
	FP16
	BF16
	FP32
	FP64
	Bytes
)

// datatypeNames is indexed by Datatype.
var datatypeNames = [...]string{
	Invalid: "INVALID",
	Bool:    "BOOL",
	Uint8:   "UINT8",
	Uint16:  "UINT16",
	Uint32:  "UINT32",
	Uint64:  "UINT64",
	Int8:    "INT8",
	Int16:   "INT16",
	Int32:   "INT32",
	Int64:   "INT64",
	FP16:    "FP16",
	BF16:    "BF16",
	FP32:    "FP32",
	FP64:    "FP64",
	Bytes:   "BYTES",
}

// acceptedDatatypes is what error messages offer.
const acceptedDatatypes = "BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES"

// ParseDatatype returns the datatype with the protocol's name s ("FP32"). Names are upper case on the wire; no other
// spelling is known.
func ParseDatatype(s string) (Datatype, bool) {
	switch s {
	case "BOOL":
		return Bool, true
	case "UINT8":
		return Uint8, true
	case "UINT16":
		return Uint16, true
	case "UINT32":
		return Uint32, true
	case "UINT64":
		return Uint64, true
	case "INT8":
		return Int8, true
	case "INT16":
		return Int16, true
	case "INT32":
		return Int32, true
	case "INT64":
		return Int64, true
	case "FP16":
		return FP16, true
	case "BF16":
		return BF16, true
	case "FP32":
		return FP32, true
	case "FP64":
		return FP64, true
	case "BYTES":
		return Bytes, true
	}
	return Invalid, false
}

// String returns the protocol's name of the datatype, "INVALID" for anything that is none.
func (d Datatype) String() string {
	if int(d) < len(datatypeNames) {
		return datatypeNames[d]
	}
	return datatypeNames[Invalid]
}

// Size returns the bytes one element takes, 0 for Bytes (whose elements vary) and for what is no datatype.
func (d Datatype) Size() int {
	switch d {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, FP16, BF16:
		return 2
	case Uint32, Int32, FP32:
		return 4
	case Uint64, Int64, FP64:
		return 8
	default:
		return 0
	}
}

// jsonCarries reports whether JSON has a form for the datatype. The two half-width floats have none in the protocol:
// they travel as binary data only.
func (d Datatype) jsonCarries() bool { return d != FP16 && d != BF16 }
