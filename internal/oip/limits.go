package oip

// MaxRank is the greatest number of dimensions a shape may have. ONNX operators and every demo of the protocol stay at
// five or below; eight leaves room and keeps shape arithmetic trivially bounded.
const MaxRank = 8

// maxDepth is how deep JSON may nest. The deepest legal request is a shape of MaxRank inside inputs, an input and its
// data, eleven levels; 32 leaves room for members we skip, and no recursion of ours can be driven further.
const maxDepth = 32

// Limits bound what one message may make us hold. A zero field means no values of that kind are accepted, so start from
// [DefaultLimits].
type Limits struct {
	Tensors      int   // inputs of a request, requested outputs, or outputs of a response
	Parameters   int   // entries of one parameters object
	NameBytes    int   // length of a tensor's or parameter's name, an id, or a string parameter
	Elements     int64 // elements of one tensor; dimensions of 0 count as 1, as they may meet other shapes in a model
	DecodedBytes int64 // bytes of all tensors together that came as JSON; binary data is bounded by the body itself

	// Model is the name that errors about binary data give, as clients of Triton expect; "" is left out.
	Model string
}

// DefaultLimits returns limits that no ordinary model comes near.
func DefaultLimits() Limits {
	return Limits{
		Tensors:      256,      // wide recommendation models have about a hundred inputs
		Parameters:   64,       // the protocol itself defines nine
		NameBytes:    1024,     // ONNX exporters write module paths of two or three hundred bytes into names
		Elements:     64 << 20, // as many one-byte elements as DecodedBytes allows
		DecodedBytes: 64 << 20, // Triton's default for --http-max-input-size
	}
}
