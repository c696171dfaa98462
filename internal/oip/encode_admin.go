package oip

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// jsonWriter writes the JSON of messages that are rare and deep, member by member. Lists and objects close themselves.
type jsonWriter struct {
	buf   []byte
	first bool // nothing was written yet in the innermost list or object
}

// key starts a member, or an element of a list when it has no name.
func (w *jsonWriter) key(name string) {
	if !w.first {
		w.buf = append(w.buf, ',')
	}
	w.first = false
	if name != "" {
		w.buf = append(AppendJSONString(w.buf, name), ':')
	}
}

func (w *jsonWriter) text(name, value string) {
	w.key(name)
	w.buf = AppendJSONString(w.buf, value)
}

// word is text where "" stands for a default.
func (w *jsonWriter) word(name, value, fallback string) { w.text(name, cmp.Or(value, fallback)) }

func (w *jsonWriter) number(name string, value int64) {
	w.key(name)
	w.buf = strconv.AppendInt(w.buf, value, 10)
}

func (w *jsonWriter) count(name string, value uint64) {
	w.key(name)
	w.buf = strconv.AppendUint(w.buf, value, 10)
}

func (w *jsonWriter) flag(name string, value bool) {
	w.key(name)
	w.buf = strconv.AppendBool(w.buf, value)
}

func (w *jsonWriter) object(name string, members func()) { w.inside(name, '{', '}', members) }
func (w *jsonWriter) list(name string, elements func())  { w.inside(name, '[', ']', elements) }

func (w *jsonWriter) inside(name string, open, shut byte, content func()) {
	w.key(name)
	w.buf = append(w.buf, open)
	w.first = true
	content()
	w.buf = append(w.buf, shut)
	w.first = false
}

// numbers writes a list of whole numbers.
func numbers[T int32 | int64](w *jsonWriter, name string, values []T) {
	w.list(name, func() {
		for _, v := range values {
			w.number("", int64(v))
		}
	})
}

func (w *jsonWriter) texts(name string, values []string) {
	w.list(name, func() {
		for _, v := range values {
			w.text("", v)
		}
	})
}

// textMap writes an object of strings, by name.
func (w *jsonWriter) textMap(name string, values map[string]string) {
	w.object(name, func() {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			w.text(key, values[key])
		}
	})
}
