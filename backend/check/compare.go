package check

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"ganglion/internal/oip"
)

// compare holds an output of an answer against what is expected.
func compare(want *oip.Tensor, out *oip.InferResponse, tolerance Tolerance) Output {
	o := Output{Name: want.Name}
	i := slices.IndexFunc(out.Outputs, func(t oip.OutputTensor) bool { return t.Name == want.Name })
	if i < 0 {
		o.Problem = "is not in the answer"
		return o
	}
	got := &out.Outputs[i].Tensor
	switch {
	case got.Datatype != want.Datatype:
		o.Problem = fmt.Sprintf("is %s, but %s is expected", got.Datatype, want.Datatype)
		return o
	case !slices.Equal(got.Shape, want.Shape):
		o.Problem = fmt.Sprintf("has shape %d, but %d is expected", got.Shape, want.Shape)
		return o
	}
	same, total := 0, 0
	if want.Datatype == oip.Bytes {
		same, total = sameTexts(got.Data, want.Data)
	} else {
		same, total, o.Largest = sameNumbers(got, want, tolerance)
	}
	o.Accuracy = 1
	if total > 0 {
		o.Accuracy = float64(same) / float64(total)
	}
	o.Pass = o.Accuracy >= tolerance.Accuracy
	return o
}

// sameTexts counts equal elements.
func sameTexts(got, want []byte) (same, total int) {
	expected := slices.Collect(oip.BytesElements(want))
	i := 0
	for element := range oip.BytesElements(got) {
		if i < len(expected) && string(element) == string(expected[i]) {
			same++
		}
		i++
	}
	return same, max(i, len(expected))
}

// sameNumbers counts elements that are near enough. Not-a-number is as good as another, and infinities are equal to
// themselves only. Whole numbers have to be equal.
func sameNumbers(got, want *oip.Tensor, tolerance Tolerance) (same, total int, largest float64) {
	size := want.Datatype.Size()
	total = len(want.Data) / size
	for at := 0; at+size <= len(want.Data) && at+size <= len(got.Data); at += size {
		a, b := got.Data[at:at+size], want.Data[at:at+size]
		if string(a) == string(b) {
			same++
			continue
		}
		x, fraction := numberOf(want.Datatype, a)
		y, _ := numberOf(want.Datatype, b)
		switch difference := math.Abs(x - y); {
		case math.IsNaN(x) && math.IsNaN(y), x == y && fraction: // zeros of either sign
			same++
		case math.IsNaN(difference), math.IsInf(difference, 0):
			largest = math.MaxFloat64 // JSON has no infinity
		default:
			largest = max(largest, difference)
			if fraction && difference <= tolerance.Absolute+tolerance.Relative*math.Abs(y) {
				same++
			}
		}
	}
	return same, total, largest
}

// numberOf reads an element. fraction is whether its datatype has any.
func numberOf(d oip.Datatype, b []byte) (value float64, fraction bool) {
	switch d {
	case oip.FP64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
	case oip.FP32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), true
	case oip.BF16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)), true
	case oip.FP16:
		return oip.HalfFloat(binary.LittleEndian.Uint16(b)), true
	case oip.Int8:
		return float64(int8(b[0])), false
	case oip.Int16:
		return float64(int16(binary.LittleEndian.Uint16(b))), false
	case oip.Int32:
		return float64(int32(binary.LittleEndian.Uint32(b))), false
	case oip.Int64:
		return float64(int64(binary.LittleEndian.Uint64(b))), false
	case oip.Uint16:
		return float64(binary.LittleEndian.Uint16(b)), false
	case oip.Uint32:
		return float64(binary.LittleEndian.Uint32(b)), false
	case oip.Uint64:
		return float64(binary.LittleEndian.Uint64(b)), false
	default: // UINT8 and BOOL
		return float64(b[0]), false
	}
}
