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

// padText turns text for those inputs that take it into rows of UINT8, in memory that the exchange keeps.
func (x *exchange) padText(in *instance, limit int64) error {
	x.rows = x.rows[:0]
	for i := range x.request.Inputs {
		t := &x.request.Inputs[i]
		if t.Datatype != oip.Bytes || !in.takesText(t.Name) {
			continue
		}
		if len(t.Shape) == 0 || len(t.Shape) > 2 || len(t.Shape) == 2 && t.Shape[1] != 1 {
			return oip.Errorf(oip.InvalidArgument, "input %q: text is BYTES of shape [n] or [n,1], got %v", t.Name, t.Shape)
		}
		begin := len(x.rows)
		rows, width, err := appendRows(x.rows, t, limit)
		if err != nil {
			return err
		}
		x.rows = rows
		*t = oip.Tensor{Name: t.Name, Datatype: oip.Uint8, Shape: []int64{t.Shape[0], width}, Data: rows[begin:]}
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

// appendRows appends the strings of t, each padded with zeros to the longest, and returns their common width: at least 1,
// since few models take rows of no length. Nothing is allocated before the size of all rows is known to be within limit.
func appendRows(dst []byte, t *oip.Tensor, limit int64) (rows []byte, width int64, err error) {
	count, width := int64(0), int64(1)
	for s := range oip.BytesElements(t.Data) {
		count, width = count+1, max(width, int64(len(s)))
	}
	limit = min(limit, max(padFreely, padFactor*int64(len(t.Data))))
	if count > limit/width {
		return dst, 0, oip.Errorf(oip.InvalidArgument,
			"input %q: %d strings padded to the longest, %d bytes, make more than the limit of %d bytes: send strings of like length together",
			t.Name, count, width, limit)
	}
	begin := len(dst)
	dst = append(dst, make([]byte, count*width)...) // the compiler zeroes in place, without a second slice
	row := dst[begin:]
	for s := range oip.BytesElements(t.Data) {
		copy(row, s)
		row = row[width:]
	}
	return dst, width, nil
}
