package oip

import "strconv"

// The binary tensor extension: JSON first, then the data of the tensors that came without any in their JSON, one behind
// the other in the order of the tensors. The Inference-Header-Content-Length header says where the JSON ends.

// HeaderLengthName is the header that carries the length of the JSON part.
const HeaderLengthName = "Inference-Header-Content-Length"

// NoHeaderLength is what stands for a missing Inference-Header-Content-Length header: the body is JSON only.
const NoHeaderLength = -1

// ParseHeaderLength reads the value of an Inference-Header-Content-Length header: decimal digits, or nothing at all for a
// request without the header. Whether it fits the body is for Decode to say.
func ParseHeaderLength(value []byte) (int, error) {
	if len(value) == 0 {
		return NoHeaderLength, nil
	}
	const longest = 18 // digits that int64 always holds
	for _, c := range value {
		if !isDigit(c) || len(value) > longest {
			return 0, invalid("%s is %s, expected the number of JSON bytes in the body", HeaderLengthName, quoted(value))
		}
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return 0, invalid("%s is %s: %v", HeaderLengthName, quoted(value), err)
	}
	return n, nil
}

// splitBody parts a body into JSON and binary data, which is nil only for a body that has no place for it.
func splitBody(body []byte, headerLen int) (json, blobs []byte, err error) {
	switch {
	case headerLen == NoHeaderLength:
		return body, nil, nil
	case headerLen < 0 || headerLen > len(body):
		return nil, nil, invalid("inference header size should be in range (0, %d), got %d", len(body), headerLen)
	default:
		return body[:headerLen:headerLen], body[headerLen:], nil
	}
}

// takeBlob gives t its binary data, if it has any, off the front of blobs and returns what is left.
func (d *decoder) takeBlob(t *Tensor, w *wire, blobs []byte) (rest []byte, err error) {
	if !w.seen.has(tensorBinarySize) {
		return blobs, nil
	}
	size := w.binarySize
	if want := int64(t.Datatype.Size()); t.Datatype != Bytes && (size%want != 0 || size/want != w.count) {
		return nil, invalid("%s %s: \"binary_data_size\" is %d, expected %d elements of %d bytes for shape %s of %s",
			d.role, quoted(t.Name), size, w.count, want, shapeText(t.Shape), t.Datatype)
	}
	if size > int64(len(blobs)) {
		return nil, d.missingBytes(t, size, blobs)
	}
	t.Data = blobs[:size:size]
	if err := t.validate(d.role); err != nil {
		return nil, err
	}
	return blobs[size:], nil
}

// missingBytes is the error for a tensor whose binary data is not all there.
func (d *decoder) missingBytes(t *Tensor, size int64, blobs []byte) error {
	hint := ""
	if blobs == nil {
		hint = "; is the " + HeaderLengthName + " header missing?"
	}
	have := int64(len(blobs))
	return invalid("unexpected size for %s '%s', expecting %d additional bytes%s: %d of %d are there%s",
		d.role, shortened(t.Name), size-have, d.forModel(), have, size, hint)
}

func (d *decoder) forModel() string {
	if d.lim.Model == "" {
		return ""
	}
	return " for model '" + d.lim.Model + "'"
}

// checkLeftover refuses binary data that no tensor claimed.
func (d *decoder) checkLeftover(blobs []byte) error {
	if len(blobs) == 0 {
		return nil
	}
	return invalid("unexpected additional %s data%s: %d bytes behind the last %s with \"binary_data_size\"",
		d.role, d.forModel(), len(blobs), d.role)
}
