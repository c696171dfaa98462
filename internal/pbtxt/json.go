package pbtxt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonReader makes the same tree of JSON.
type jsonReader struct {
	src []byte
	dec *json.Decoder

	counted, lines int // line ends in the first counted bytes of src
}

func parseJSON(src []byte) (*message, *complaint) {
	r := &jsonReader{src: src, dec: json.NewDecoder(bytes.NewReader(src))}
	r.dec.UseNumber()
	v, err := r.value(0)
	if err == nil && v.kind != isMessage {
		err = fmt.Errorf("found %s: want an object", &v)
	}
	if err == nil {
		if _, end := r.dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the text ends before the object does")
		}
		return nil, &complaint{r.line(), err.Error()}
	}
	return v.message, nil
}

// line is that of the last token.
func (r *jsonReader) line() int {
	to := min(int(r.dec.InputOffset()), len(r.src))
	r.lines += bytes.Count(r.src[r.counted:to], []byte("\n"))
	r.counted = to
	return 1 + r.lines
}

// value reads one value; a list is for fields to read.
func (r *jsonReader) value(depth int) (value, error) {
	t, err := r.dec.Token()
	if err != nil {
		return value{}, err
	}
	return r.behind(t, depth)
}

// behind is the value that begins with a token.
func (r *jsonReader) behind(t json.Token, depth int) (value, error) {
	switch t := t.(type) {
	case json.Delim:
		if t != '{' {
			return value{}, fmt.Errorf("a list (%q) where one value belongs", t.String())
		}
		if depth > maxDepth {
			return value{}, fmt.Errorf("nested more than %d deep", maxDepth)
		}
		m, err := r.object(depth + 1)
		return value{kind: isMessage, message: m}, err
	case string:
		return value{kind: isText, text: t}, nil
	case json.Number:
		return value{kind: isNumber, text: t.String()}, nil
	case bool:
		return value{kind: isWord, text: fmt.Sprint(t)}, nil
	default: // null is a field that is not there
		return value{}, nil
	}
}

// object reads the fields of an object behind its brace.
func (r *jsonReader) object(depth int) (*message, error) {
	m := &message{json: true}
	names := map[string]bool{}
	for r.dec.More() {
		t, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		f := field{line: r.line()}
		f.name, _ = t.(string) // the decoder lets nothing else be a name
		if names[f.name] {
			return nil, fmt.Errorf("%q is there twice", f.name)
		}
		names[f.name] = true
		if m.fields, err = r.field(m.fields, f, depth); err != nil {
			return nil, err
		}
	}
	_, err := r.dec.Token()
	return m, err
}

// field appends the values of one field.
func (r *jsonReader) field(fields []field, f field, depth int) ([]field, error) {
	t, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	if t != json.Delim('[') {
		f.value, err = r.behind(t, depth)
		if f.value.kind == isNothing {
			return fields, err
		}
		return append(fields, f), err
	}
	f.list = true
	before := len(fields)
	for r.dec.More() {
		if f.value, err = r.value(depth); err != nil {
			return nil, err
		}
		if f.value.kind == isNothing {
			return nil, fmt.Errorf("null in the list of %q", f.name)
		}
		f.line = r.line()
		fields = append(fields, f)
	}
	if _, err = r.dec.Token(); err != nil {
		return nil, err
	}
	if len(fields) == before {
		f.value = value{}
		fields = append(fields, f)
	}
	return fields, nil
}
