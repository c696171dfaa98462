package oip

import "strconv"

// sequenceName is the parameter that names the sequence which a request is a part of: a number or a string. 0 and "" are none.
const sequenceName = "sequence_id"

// AppendSequence appends the id of the sequence that a request in JSON belongs to, nothing if it belongs to none or if a node
// would refuse what it says. Equal ids are equal bytes, a number and the string of its digits too.
func AppendSequence(dst, json []byte) []byte {
	text, ok := findParameter(json, sequenceName)
	if !ok {
		return dst
	}
	if n := len(text); n >= 2 && text[0] == '"' {
		return append(dst, text[1:n-1]...)
	}
	if id, err := strconv.ParseUint(string(text), 10, 64); err == nil && id != 0 {
		return strconv.AppendUint(dst, id, 10)
	}
	return dst
}

// AppendProtoSequence is AppendSequence for a ModelInferRequest. It does not touch tensors.
func AppendProtoSequence(dst, msg []byte) []byte {
	value, ok := findProtoParameter(msg, sequenceName)
	if !ok {
		return dst
	}
	d := protoDecoder{decoder: decoder{lim: DefaultLimits()}}
	v, err := d.valueIn(&value)
	if err != nil {
		return dst
	}
	if text, ok := v.Text(); ok {
		return append(dst, text...)
	}
	if id, ok := v.Uint(); ok && id != 0 {
		return strconv.AppendUint(dst, id, 10)
	}
	return dst
}
