package hop

import (
	"encoding/binary"
	"math"
	"time"
)

const (
	requestFixed  = 56 // bytes of a request's head before its strings
	responseFixed = 44 // the same for a response's
	maxHeaders    = 32 // besides those with a place of their own; a gateway forwards a handful
	headerFixed   = 3  // u8 length of the name, u16 length of the value

	headCondition = 51 // where a request's condition is

	loadNodeKnown  = 0x01
	loadModelKnown = 0x02
)

// headLimit names the field of r that does not fit, "" when all do.
func (r *Request) headLimit() string {
	switch {
	case !r.Method.known():
		return "unknown method"
	case len(r.Path) > maxHead:
		return "path is too long"
	case len(r.ContentType) > math.MaxUint8:
		return "content type is over 255 bytes"
	case len(r.RequestID) > math.MaxUint8:
		return "request id is over 255 bytes"
	case len(r.TraceState) > maxHead:
		return "tracestate is too long"
	case r.InferenceHeaderLength < NoHeaderLength || r.InferenceHeaderLength > len(r.Body):
		return "inference header length is not within the body"
	}
	return headersLimit(requestFixed+len(r.Path)+len(r.ContentType)+len(r.RequestID)+len(r.TraceState), r.Headers)
}

// headLimit names the field of r that does not fit, "" when all do.
func (r *Response) headLimit() string {
	switch {
	case r.Status < 100 || r.Status > 999:
		return "status is not three digits"
	case len(r.ContentType) > math.MaxUint8:
		return "content type is over 255 bytes"
	case r.InferenceHeaderLength < NoHeaderLength || r.InferenceHeaderLength > len(r.Body):
		return "inference header length is not within the body"
	}
	return headersLimit(responseFixed+len(r.ContentType), r.Headers)
}

func headersLimit(size int, headers []Header) string {
	if len(headers) > maxHeaders {
		return "more than 32 extra headers"
	}
	for _, h := range headers {
		if len(h.Name) > math.MaxUint8 || len(h.Value) > maxHead {
			return "an extra header is too long"
		}
		size += headerFixed + len(h.Name) + len(h.Value)
	}
	if size > maxHead {
		return "head is over 16 KiB"
	}
	return ""
}

// appendRequestHead appends r's head. The caller has asked headLimit. left is the time until the deadline, 0 for none.
func appendRequestHead(dst []byte, r *Request, left time.Duration) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, requestFixed)...)
	h := dst[start:]
	h[2], h[3] = byte(r.Method), byte(len(r.Headers))
	binary.LittleEndian.PutUint32(h[4:], uint32(int32(r.InferenceHeaderLength)))
	binary.LittleEndian.PutUint64(h[8:], uint64(len(r.Body)))
	binary.LittleEndian.PutUint64(h[16:], uint64(left.Microseconds()))
	if r.Trace.Valid() {
		copy(h[24:], r.Trace.ID[:])
		copy(h[40:], r.Trace.Parent[:])
		h[48] = r.Trace.Flags
	}
	h[49], h[50], h[headCondition] = byte(len(r.ContentType)), byte(len(r.RequestID)), r.condition()
	binary.LittleEndian.PutUint16(h[52:], uint16(len(r.Path)))
	binary.LittleEndian.PutUint16(h[54:], uint16(len(r.TraceState)))
	dst = append(dst, r.Path...)
	dst = append(dst, r.ContentType...)
	dst = append(dst, r.RequestID...)
	dst = append(dst, r.TraceState...)
	dst = appendHeaders(dst, r.Headers)
	binary.LittleEndian.PutUint16(dst[start:], uint16(len(dst)-start))
	return dst
}

// appendResponseHead appends r's head. The caller has asked headLimit.
func appendResponseHead(dst []byte, r *Response) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, responseFixed)...)
	h := dst[start:]
	binary.LittleEndian.PutUint16(h[2:], uint16(r.Status))
	binary.LittleEndian.PutUint32(h[4:], uint32(int32(r.InferenceHeaderLength)))
	binary.LittleEndian.PutUint64(h[8:], uint64(len(r.Body)))
	h[16], h[17], h[18], h[19] = byte(len(r.Headers)), byte(len(r.ContentType)), 0, 0
	if r.Node.Known {
		h[18] |= loadNodeKnown
	}
	if r.Model.Known {
		h[18] |= loadModelKnown
		h[19] = r.Model.Batch
	}
	putLoad(h[20:], r.Node)
	putLoad(h[20+loadSize:], r.Model)
	dst = append(dst, r.ContentType...)
	dst = appendHeaders(dst, r.Headers)
	binary.LittleEndian.PutUint16(dst[start:], uint16(len(dst)-start))
	return dst
}

func appendHeaders(dst []byte, headers []Header) []byte {
	for _, h := range headers {
		dst = append(dst, byte(len(h.Name)))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(h.Value)))
		dst = append(dst, h.Name...)
		dst = append(dst, h.Value...)
	}
	return dst
}

// decodedHead is what a head says besides the fields of its message.
type decodedHead struct {
	size int           // bytes; the body begins there
	body int64         // length of the whole body
	left time.Duration // until the deadline; 0 for none
}

// readRequestHead decodes the head at the beginning of p into r, whose slices then alias p; r.Body and r.Deadline stay as
// they are. An error is a frame that cannot be understood; what HTTP forbids is for Request.forbidden to say.
func readRequestHead(p []byte, r *Request) (decodedHead, error) {
	var d decodedHead
	var err error
	if d.size, err = headSize("request", p, requestFixed); err != nil {
		return d, err
	}
	c := cutter{rest: p[:d.size]}
	h := c.cut(requestFixed)
	r.Method = Method(h[2])
	r.InferenceHeaderLength = int(int32(binary.LittleEndian.Uint32(h[4:])))
	left := binary.LittleEndian.Uint64(h[16:])
	d.left = time.Duration(min(left, math.MaxInt64/uint64(time.Microsecond))) * time.Microsecond
	r.Trace = Trace{ID: [16]byte(h[24:40]), Parent: [8]byte(h[40:48]), Flags: h[48]}
	r.readCondition(h[headCondition])
	r.Path = c.cut(int(binary.LittleEndian.Uint16(h[52:])))
	r.ContentType = c.cut(int(h[49]))
	r.RequestID = c.cut(int(h[50]))
	r.TraceState = c.cut(int(binary.LittleEndian.Uint16(h[54:])))
	r.Headers = c.headers(r.Headers[:0], int(h[3]))
	d.body, err = headEnd("request", &c, d.size, binary.LittleEndian.Uint64(h[8:]), r.InferenceHeaderLength)
	return d, err
}

// readResponseHead is readRequestHead for responses; r.Body stays as it is.
func readResponseHead(p []byte, r *Response) (decodedHead, error) {
	var d decodedHead
	var err error
	if d.size, err = headSize("response", p, responseFixed); err != nil {
		return d, err
	}
	c := cutter{rest: p[:d.size]}
	h := c.cut(responseFixed)
	r.Status = int(binary.LittleEndian.Uint16(h[2:]))
	r.InferenceHeaderLength = int(int32(binary.LittleEndian.Uint32(h[4:])))
	r.Node = readLoad(h[20:], h[18]&loadNodeKnown != 0)
	if r.Model = readLoad(h[20+loadSize:], h[18]&loadModelKnown != 0); r.Model.Known {
		r.Model.Batch = h[19]
	}
	r.ContentType = c.cut(int(h[17]))
	r.Headers = c.headers(r.Headers[:0], int(h[16]))
	d.body, err = headEnd("response", &c, d.size, binary.LittleEndian.Uint64(h[8:]), r.InferenceHeaderLength)
	return d, err
}

// headSize is what a head says is its length, if it can be.
func headSize(what string, p []byte, fixed int) (int, error) {
	if len(p) < fixed {
		return 0, violation("%s frame of %d bytes is shorter than its head", what, len(p))
	}
	size := int(binary.LittleEndian.Uint16(p))
	if size < fixed || size > min(len(p), maxHead) {
		return 0, violation("%s frame of %d bytes is shorter than its head, or that than its %d fixed bytes: %d", what, len(p), fixed, size)
	}
	return size, nil
}

// headEnd checks that the strings fill the head exactly and that its numbers agree.
func headEnd(what string, c *cutter, size int, body uint64, headerLength int) (int64, error) {
	switch {
	case c.short || len(c.rest) != 0:
		return 0, violation("%s head of %d bytes does not hold what it announces", what, size)
	case body > math.MaxInt64:
		return 0, violation("%s announces a body of %d bytes", what, body)
	case headerLength < NoHeaderLength || int64(headerLength) > int64(body):
		return 0, violation("%s has an inference header of %d bytes in a body of %d", what, headerLength, body)
	}
	return int64(body), nil
}

// cutter takes pieces off the front of a head and remembers when one was missing.
type cutter struct {
	rest  []byte
	short bool
}

func (c *cutter) cut(n int) []byte {
	if n > len(c.rest) {
		c.short, c.rest = true, nil
		return nil
	}
	piece := c.rest[:n:n]
	c.rest = c.rest[n:]
	return piece
}

func (c *cutter) headers(dst []Header, count int) []Header {
	if count > maxHeaders {
		c.short = true
		return dst
	}
	for range count {
		h := c.cut(headerFixed)
		if c.short {
			return dst
		}
		name := c.cut(int(h[0]))
		dst = append(dst, Header{Name: name, Value: c.cut(int(binary.LittleEndian.Uint16(h[1:])))})
	}
	return dst
}

// forbidden names what in r no HTTP message may hold, "" when nothing. It keeps one request's rubbish from becoming another
// header, or another line of a log, at the node.
func (r *Request) forbidden() string {
	switch {
	case !r.Method.known():
		return "unknown method"
	case len(r.Path) == 0 || r.Path[0] != '/' || !visible(r.Path, 0x21):
		return "path must begin with a slash and hold no blanks or control characters"
	case !visible(r.ContentType, ' '), !visible(r.RequestID, ' '), !visible(r.TraceState, ' '):
		return "control character in a header"
	}
	return forbiddenHeaders(r.Headers)
}

// forbidden names what in r no HTTP message may hold, "" when nothing.
func (r *Response) forbidden() string {
	switch {
	case r.Status < 100 || r.Status > 999:
		return "status is not three digits"
	case !visible(r.ContentType, ' '):
		return "control character in a header"
	}
	return forbiddenHeaders(r.Headers)
}

func forbiddenHeaders(headers []Header) string {
	for _, h := range headers {
		if len(h.Name) == 0 || !token(h.Name) {
			return "header name that is no token"
		}
		if !visible(h.Value, ' ') {
			return "control character in a header"
		}
	}
	return ""
}

// visible says whether text has no byte below low (tabs aside where blanks are allowed) and no DEL.
func visible(text []byte, low byte) bool {
	for _, c := range text {
		if (c < low && (c != '\t' || low > ' ')) || c == 0x7f {
			return false
		}
	}
	return true
}

// token says whether name may be a header's name (RFC 9110, 5.6.2).
func token(name []byte) bool {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '!', '#' <= c && c <= '\'', c == '*', c == '+', c == '-', c == '.', c == '^', c == '_', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return true
}
