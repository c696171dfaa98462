package hop

import "encoding/hex"

// Trace is the traceparent of the W3C Trace Context, version 00, without its text. The zero value is no trace: the
// recommendation forbids a trace id of zeros.
type Trace struct {
	ID     [16]byte
	Parent [8]byte
	Flags  byte
}

// traceparentSize is len("00-" + 32 + "-" + 16 + "-" + 2).
const traceparentSize = 55

// Valid says whether there is a trace at all.
func (t Trace) Valid() bool { return t.ID != [16]byte{} && t.Parent != [8]byte{} }

// ParseTraceparent decodes a traceparent header. Later versions are read as far as version 00 goes, as the recommendation
// asks; ok is false for everything that it tells receivers to ignore.
func ParseTraceparent(text []byte) (t Trace, ok bool) {
	if len(text) < traceparentSize || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return Trace{}, false
	}
	var version, flags [1]byte
	valid := lowerHex(version[:], text[0:2]) && lowerHex(t.ID[:], text[3:35]) && lowerHex(t.Parent[:], text[36:52]) &&
		lowerHex(flags[:], text[53:55])
	longer := len(text) > traceparentSize
	if !valid || version[0] == 0xff || longer && (version[0] == 0 || text[traceparentSize] != '-') || !t.Valid() {
		return Trace{}, false
	}
	t.Flags = flags[0]
	return t, true
}

// AppendTraceparent appends t as a traceparent header's value.
func (t Trace) AppendTraceparent(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, t.ID[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, t.Parent[:])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, []byte{t.Flags})
}

// lowerHex decodes src into dst, refusing capitals as the recommendation does.
func lowerHex(dst, src []byte) bool {
	for _, c := range src {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}
