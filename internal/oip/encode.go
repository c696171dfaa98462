package oip

import (
	"strconv"
	"unicode/utf8"
)

// AppendJSONString appends s as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the result
// is JSON whatever s holds.
func AppendJSONString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := len(dst)
	dst = append(dst, s...)
	plain := plainASCII(dst[start:])
	if plain < len(s) {
		dst = appendEscaped(dst[:start+plain], s[plain:])
	}
	return append(dst, '"')
}

// appendEscaped appends s as the inside of a JSON string.
func appendEscaped[T ~string | ~[]byte](dst []byte, s T) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = appendEscapedASCII(dst, c)
			i++
			continue
		}
		var next [utf8.UTFMax]byte
		r, size := utf8.DecodeRune(next[:copy(next[:], s[i:])])
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return dst
}

// appendEscapedASCII appends one character of a JSON string.
func appendEscapedASCII(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c < ' ' {
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
	}
	return append(dst, c)
}

// AppendError appends {"error":"msg"}, the body of every refusal.
func AppendError(dst []byte, msg string) []byte {
	dst = append(dst, `{"error":`...)
	dst = AppendJSONString(dst, msg)
	return append(dst, '}')
}

// shapeText renders a shape for messages: [-1,4].
func shapeText(shape []int64) string { return string(appendShape(nil, shape)) }

// appendShape appends a shape as JSON.
func appendShape(dst []byte, shape []int64) []byte {
	dst = append(dst, '[')
	for i, dim := range shape {
		dst = appendComma(dst, i)
		dst = strconv.AppendInt(dst, dim, 10)
	}
	return append(dst, ']')
}

// appendComma appends the comma in front of all elements of a list but the first.
func appendComma(dst []byte, index int) []byte {
	if index > 0 {
		return append(dst, ',')
	}
	return dst
}

// appendValue appends a parameter's value.
func appendValue(dst []byte, p Parameter) ([]byte, error) {
	switch v := p.Value; v.kind {
	case StringValue:
		return AppendJSONString(dst, v.text), nil
	case FloatValue:
		f, _ := v.Float()
		if !finite(f) {
			return dst, Errorf(Internal, "parameter %s is %g, which JSON cannot carry", quoted(p.Name), f)
		}
		return appendFP64(dst, f), nil
	case NoValue:
		return dst, Errorf(Internal, "parameter %s has no value", quoted(p.Name))
	default:
		return append(dst, v.String()...), nil
	}
}

// appendParameters appends the members of a parameters object; after is how many it already has.
func appendParameters(dst []byte, params Parameters, after int) ([]byte, error) {
	for i, p := range params {
		var err error
		if dst, err = appendParameter(dst, p, after+i); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendParameter appends one member of a parameters object; index is its place there.
func appendParameter(dst []byte, p Parameter, index int) ([]byte, error) {
	dst = appendComma(dst, index)
	dst = AppendJSONString(dst, p.Name)
	return appendValue(append(dst, ':'), p)
}
