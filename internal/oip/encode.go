package oip

import "strconv"

// AppendJSONString appends s as a JSON string with its quotes.
func AppendJSONString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return strconv.AppendQuote(dst, string(s))
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
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, dim, 10)
	}
	return append(dst, ']')
}
