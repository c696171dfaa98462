package oip

import "fmt"

// arrayReader reads a tensor's elements out of nested JSON arrays, in row-major order, into the wire layout.
type arrayReader struct {
	s    *scanner
	read elementReader

	// dims is how the arrays nest, outermost first. -1 is decided by the first array met at that level; every other
	// array there must then be as long.
	dims []int64

	dst   []byte
	count int64 // elements read, which is also the flat index of the next

	// For messages: what the outermost array is called, and the shape that "data" should have.
	subject subject
	shape   []int64
}

// subject names a place in a request for messages: "data", or with an instance (from 0) "instances[2]".
type subject struct{ instance int }

// dataMember is the subject of everything that is not an instance.
var dataMember = subject{instance: -1}

func (s subject) String() string {
	if s.instance < 0 {
		return "data"
	}
	return fmt.Sprintf("instances[%d]", s.instance)
}

// element names one element by its flat index.
func (s subject) element(index int64) string {
	if s.instance < 0 {
		return fmt.Sprintf("data[%d]", index)
	}
	return fmt.Sprintf("instances[%d], element %d", s.instance, index)
}

// array reads the array that stands for dims[level:]. A fault is a whole sentence about the subject.
func (a *arrayReader) array(level int) (fault string) {
	if a.s.peek() != '[' {
		return a.notAnArray(level)
	}
	if err := a.s.open('['); err != nil {
		return fmt.Sprintf("%s: %v", a.subject, err)
	}
	before := a.count
	var length int64
	if level == len(a.dims)-1 {
		length, fault = a.row(a.dims[level])
	} else {
		length, fault = a.rows(level)
	}
	switch {
	case fault != "":
		return fault
	case a.dims[level] < 0:
		a.dims[level] = length
	case a.dims[level] != length:
		return a.wrongLength(level, length, before)
	}
	return ""
}

// row reads the elements of a just opened innermost array up to its end and returns how many there were. It stops at the
// first one beyond want, unless want is negative.
func (a *arrayReader) row(want int64) (length int64, fault string) {
	s := a.s
	for first := true; ; first = false {
		if s.pos+1 < len(s.buf) && !first && s.buf[s.pos] == ',' && s.buf[s.pos+1] > ' ' {
			s.pos++ // all there is between two numbers of a dense row; element knows the rest
		} else if more, err := s.element(first); err != nil {
			return length, fmt.Sprintf("%s: after %d elements: %v", a.subject, a.count, err)
		} else if !more {
			return length, ""
		}
		if length == want {
			return length + 1, ""
		}
		if a.dst, fault = a.read(s, a.dst); fault != "" {
			return length, a.subject.element(a.count) + fault
		}
		length++
		a.count++
	}
}

// rows reads the arrays inside a just opened outer array up to its end and returns how many there were.
func (a *arrayReader) rows(level int) (length int64, fault string) {
	for first := true; ; first = false {
		more, err := a.s.element(first)
		if err != nil {
			return length, fmt.Sprintf("%s: after %d elements: %v", a.subject, a.count, err)
		}
		if !more {
			return length, ""
		}
		if fault = a.array(level + 1); fault != "" {
			return length, fault
		}
		length++
	}
}

// wrongLength is the fault for an array at level, starting with element before, that has length entries. A row gives up
// counting at the first entry too many.
func (a *arrayReader) wrongLength(level int, length, before int64) string {
	have, want := fmt.Sprint(length), a.dims[level]
	if length > want && level == len(a.dims)-1 {
		have = fmt.Sprintf("more than %d", want)
	}
	shape := ""
	if a.subject == dataMember {
		shape = " for shape " + shapeText(a.shape)
	}
	if len(a.dims) == 1 {
		return fmt.Sprintf("%s has %s elements, expected %d%s", a.subject, have, want, shape)
	}
	return fmt.Sprintf("%s: the array at depth %d that starts with element %d has %s entries, expected %d%s",
		a.subject, level+1, before, have, want, shape)
}

// notAnArray is the fault for another value where the array for dims[level:] should be.
func (a *arrayReader) notAnArray(level int) string {
	kind := valueKind(a.s.peek())
	switch {
	case kind == "":
		return fmt.Sprintf("%s: %v", a.subject, a.s.unexpected("'['"))
	case level == 0:
		return fmt.Sprintf("%s is %s, expected an array", a.subject, kind)
	default:
		return fmt.Sprintf("%s: before element %d there is %s at depth %d, expected an array",
			a.subject, a.count, kind, level+1)
	}
}
