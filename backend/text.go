package backend

import (
	"ganglion/internal/oip"
)

// Padding makes rows out of strings as long as the longest of them, so one long string beside many empty ones asks for
// far more memory than the request took: each string counts with at least the four bytes of its length, and what it is
// padded to is bounded by a multiple of that.
const (
	padFactor = 64      // sentences of one batch differ ten times in length, seldom more
	padFreely = 1 << 20 // bytes that need no such argument
)

// padText turns text for those inputs that take it into rows of UINT8, in memory that the inference keeps.
func (s *Server) padText(x *inference, in *instance, r *oip.InferRequest) error {
	x.rows = x.rows[:0]
	for i := range r.Inputs {
		t := &r.Inputs[i]
		if t.Datatype != oip.Bytes || !in.takesText(t.Name) {
			continue
		}
		if len(t.Shape) == 0 || len(t.Shape) > 2 || len(t.Shape) == 2 && t.Shape[1] != 1 {
			return oip.Errorf(oip.InvalidArgument, "input %q: text is BYTES of shape [n] or [n,1], got %v", t.Name, t.Shape)
		}
		width, err := rowWidth(t, s.limits.DecodedBytes)
		if err != nil {
			return err
		}
		if err := s.hold(x, t.Shape[0]*width); err != nil {
			return err
		}
		begin := len(x.rows)
		x.rows = appendRows(x.rows, t, width)
		*t = oip.Tensor{Name: t.Name, Datatype: oip.Uint8, Shape: []int64{t.Shape[0], width}, Data: x.rows[begin:]}
	}
	return nil
}

// takesText reports whether the input called name also takes strings.
func (in *instance) takesText(name string) bool {
	for i := range in.inputs {
		if in.inputs[i].Name == name {
			return in.text[i]
		}
	}
	return false
}

// rowWidth is the length of the longest string of t, which all its strings are to be padded to: at least 1, since few
// models take rows of no length. It refuses rows of more than limit bytes together, or out of all proportion to t.
func rowWidth(t *oip.Tensor, limit int64) (int64, error) {
	width := int64(1)
	for s := range oip.BytesElements(t.Data) {
		width = max(width, int64(len(s)))
	}
	limit = min(limit, max(padFreely, padFactor*int64(len(t.Data))))
	if count := t.Shape[0]; count > limit/width {
		return 0, oip.Errorf(oip.InvalidArgument,
			"input %q: %d strings padded to the longest, %d bytes, make more than the limit of %d bytes: send strings of like length together",
			t.Name, count, width, limit)
	}
	return width, nil
}

// appendRows appends the strings of t, each padded with zeros to width.
func appendRows(dst []byte, t *oip.Tensor, width int64) []byte {
	begin := len(dst)
	dst = append(dst, make([]byte, t.Shape[0]*width)...) // the compiler zeroes in place, without a second slice
	row := dst[begin:]
	for s := range oip.BytesElements(t.Data) {
		copy(row, s)
		row = row[width:]
	}
	return dst
}
