package oip

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// classCount reads the value of the parameter "classification".
func classCount(v Value) (int, error) {
	n, ok := v.Int()
	if !ok || n <= 0 || n > math.MaxInt32 {
		return 0, invalid("parameter %q is %s, expected a whole number from 1", classificationName, v)
	}
	return int(n), nil
}

// Classify makes t what the classification extension sends in its place: for each row the count greatest elements, or all
// if there are fewer, as the texts "VALUE:INDEX" or "VALUE:INDEX:LABEL", greatest first; equal ones in the order of their
// index, NaN last. batched says that the first dimension counts rows; all other elements of a row are its classes. An
// index beyond labels has none. t keeps its name; its data is memory of its own.
func Classify(t *Tensor, count int, batched bool, labels []string) error {
	value := elementValueFor(t.Datatype)
	if value == nil {
		return invalid("output %s is %s, which cannot be classified; ask for the output itself", quoted(t.Name), t.Datatype)
	}
	if err := t.validate(outputRole); err != nil {
		return Errorf(Internal, "%v", err)
	}
	rows, shape := int64(1), []int64{}
	if batched && len(t.Shape) > 0 {
		rows, shape = t.Shape[0], []int64{t.Shape[0]}
	}
	size := t.Datatype.Size()
	classes := 0
	if rows > 0 {
		classes = len(t.Data) / size / int(rows)
	}
	best := min(count, classes)
	order := make([]int, classes)
	var data, text []byte
	for row := range int(rows) {
		elements := t.Data[row*classes*size : (row+1)*classes*size]
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			return value(elements[b*size:]).compare(value(elements[a*size:]))
		})
		for _, class := range order[:best] {
			text = appendClass(text[:0], value(elements[class*size:]), class, labels)
			data = AppendBytesElement(data, text)
		}
	}
	t.Datatype, t.Shape, t.Data = Bytes, append(shape, int64(best)), data
	return nil
}

// appendClass appends one element of a classification. Floats have six decimals, as C++'s std::to_string gives them.
func appendClass(dst []byte, v classValue, class int, labels []string) []byte {
	switch v.kind {
	case floatClass:
		dst = strconv.AppendFloat(dst, v.float, 'f', 6, 64)
	case intClass:
		dst = strconv.AppendInt(dst, int64(v.bits), 10)
	case uintClass:
		dst = strconv.AppendUint(dst, v.bits, 10)
	}
	dst = strconv.AppendInt(append(dst, ':'), int64(class), 10)
	if class < len(labels) {
		dst = append(append(dst, ':'), labels[class]...)
	}
	return dst
}

// classValue is an element to be ranked and printed.
type classValue struct {
	kind  classKind
	float float64
	bits  uint64 // of an integer
}

type classKind uint8

const (
	uintClass classKind = iota
	intClass
	floatClass
)

// compare orders values of one kind; NaN is less than all others.
func (v classValue) compare(o classValue) int {
	switch v.kind {
	case floatClass:
		return cmp.Compare(v.float, o.float)
	case intClass:
		return cmp.Compare(int64(v.bits), int64(o.bits))
	default:
		return cmp.Compare(v.bits, o.bits)
	}
}

func unsignedClass(u uint64) classValue  { return classValue{kind: uintClass, bits: u} }
func signedClass(i int64) classValue     { return classValue{kind: intClass, bits: uint64(i)} }
func floatingClass(f float64) classValue { return classValue{kind: floatClass, float: f} }

// elementValueFor returns how to read an element of a datatype, nil for those without an order.
func elementValueFor(d Datatype) func(data []byte) classValue {
	le := binary.LittleEndian
	switch d {
	case Uint8:
		return func(b []byte) classValue { return unsignedClass(uint64(b[0])) }
	case Uint16:
		return func(b []byte) classValue { return unsignedClass(uint64(le.Uint16(b))) }
	case Uint32:
		return func(b []byte) classValue { return unsignedClass(uint64(le.Uint32(b))) }
	case Uint64:
		return func(b []byte) classValue { return unsignedClass(le.Uint64(b)) }
	case Int8:
		return func(b []byte) classValue { return signedClass(int64(int8(b[0]))) }
	case Int16:
		return func(b []byte) classValue { return signedClass(int64(int16(le.Uint16(b)))) }
	case Int32:
		return func(b []byte) classValue { return signedClass(int64(int32(le.Uint32(b)))) }
	case Int64:
		return func(b []byte) classValue { return signedClass(int64(le.Uint64(b))) }
	case FP16:
		return func(b []byte) classValue { return floatingClass(HalfFloat(le.Uint16(b))) }
	case BF16:
		return func(b []byte) classValue {
			return floatingClass(float64(math.Float32frombits(uint32(le.Uint16(b)) << 16)))
		}
	case FP32:
		return func(b []byte) classValue {
			return floatingClass(float64(math.Float32frombits(le.Uint32(b))))
		}
	case FP64:
		return func(b []byte) classValue { return floatingClass(math.Float64frombits(le.Uint64(b))) }
	default:
		return nil
	}
}
