package pbtxt

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"ganglion/internal/conf"
)

// binder carries parsed values into fields and notes what does not fit.
type binder struct {
	file     string
	json     bool // numbers may be quoted
	places   *Places
	problems conf.Problems
}

func (b *binder) complain(path string, line int, hint, format string, args ...any) {
	if len(b.problems) < maxProblems {
		b.problems = append(b.problems, conf.Problem{File: b.file, Line: line, Path: path, Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// message fills the struct v.
func (b *binder) message(path string, v reflect.Value, m *message) {
	tags := tagsOf(v.Type())
	for _, f := range m.fields {
		i := slices.Index(tags, f.name)
		if i < 0 && m.json {
			i = slices.IndexFunc(tags, func(tag string) bool { return tag != "" && camel(tag) == f.name })
		}
		if i < 0 && len(b.problems) == maxProblems {
			return // finding out what was meant takes time, and nobody would read it
		}
		if i < 0 || f.name == "" {
			known := slices.DeleteFunc(slices.Sorted(slices.Values(tags)), func(tag string) bool { return tag == "" })
			hint := "accepted here: " + strings.Join(known, ", ")
			if meant := conf.Suggest(f.name, known); meant != "" {
				hint = fmt.Sprintf("did you mean %q?", meant)
			}
			b.complain(join(path, f.name), f.line, hint, "unknown field")
			continue
		}
		b.field(join(path, tags[i]), v.Field(i), f)
	}
}

// tagsOf are the names of a struct's fields, "" for those that are none of the message's.
func tagsOf(t reflect.Type) []string {
	tags := make([]string, t.NumField())
	for i := range tags {
		tags[i] = t.Field(i).Tag.Get("pb")
	}
	return tags
}

// camel is a field's name in JSON.
func camel(name string) string {
	var b strings.Builder
	upper := false
	for i := range len(name) {
		c := name[i]
		if c == '_' {
			upper = true
			continue
		}
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = false
		b.WriteByte(c)
	}
	return b.String()
}

// field sets v, or appends to it where the field is repeated.
func (b *binder) field(path string, v reflect.Value, f field) {
	many := v.Kind() == reflect.Slice || v.Kind() == reflect.Map
	_, anything := reflect.TypeAssert[*Any](v.Addr())
	if b.places.Has(path) && !many && !anything {
		b.complain(path, f.line, "", "is there twice: line %d has it too", b.places.lines[path])
		return
	}
	if !b.places.Has(path) {
		b.places.lines[path] = f.line
	}
	if content, ok := reflect.TypeAssert[*Any](v.Addr()); ok {
		content.Set = content.Set || f.value.kind != isNothing
		return
	}
	switch {
	case f.list && !many:
		b.complain(path, f.line, "", "found a list, where one value belongs")
	case f.value.kind == isNothing:
		if v.Kind() == reflect.Slice && v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
	case v.Kind() == reflect.Slice:
		at := element(path, v.Len())
		b.places.lines[at] = f.line
		one := reflect.New(v.Type().Elem()).Elem()
		b.value(at, one, &f)
		v.Set(reflect.Append(v, one))
	case v.Kind() == reflect.Map:
		b.entries(path, v, &f)
	default:
		b.value(path, v, &f)
	}
}

// entries adds to a map: in text an entry is a message of key and value, in JSON all of them are an object.
func (b *binder) entries(path string, v reflect.Value, f *field) {
	if f.value.kind != isMessage {
		b.complain(path, f.line, "", "found %s, where an entry of a map belongs", &f.value)
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	m := f.value.message
	if m.json {
		for _, entry := range m.fields {
			key := field{name: "key", line: entry.line, value: value{kind: isText, text: entry.name}}
			b.entry(path, v, &key, &entry, f.line)
		}
		return
	}
	var key, content *field
	for i := range m.fields {
		switch one := &m.fields[i]; {
		case one.name == "key" && key == nil:
			key = one
		case one.name == "value" && content == nil:
			content = one
		default:
			b.complain(path, one.line, "", "found %q: an entry of a map has one key and one value", one.name)
			return
		}
	}
	b.entry(path, v, key, content, f.line)
}

// entry adds one entry; a key or content that is nil has its default.
func (b *binder) entry(path string, v reflect.Value, key, content *field, line int) {
	at := element(path, v.Len())
	b.places.lines[at] = line
	k := reflect.New(v.Type().Key()).Elem()
	one := reflect.New(v.Type().Elem()).Elem()
	if key != nil {
		if b.value(at+".key", k, key); k.Kind() == reflect.String {
			b.places.lines[path+"["+strconv.Quote(k.String())+"]"] = line
		}
	}
	if v.MapIndex(k).IsValid() {
		b.complain(at, line, "", "the key %v is there twice", k)
		return
	}
	if content != nil {
		b.value(path+"["+strconv.Quote(fmt.Sprint(k))+"]", one, content)
	}
	v.SetMapIndex(k, one)
}

// value sets v from one value.
func (b *binder) value(path string, v reflect.Value, f *field) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if words, ok := reflect.TypeAssert[Enum](v); ok {
		b.enum(path, v, words.Words(), f)
		return
	}
	ok := false
	switch v.Kind() {
	case reflect.Struct:
		if ok = f.value.kind == isMessage; ok {
			b.message(path, v, f.value.message)
		}
	case reflect.String:
		if ok = f.value.kind == isText; ok {
			v.SetString(f.value.text)
		}
	case reflect.Bool:
		ok = b.boolean(v, &f.value)
	case reflect.Float32, reflect.Float64:
		ok = b.float(v, &f.value)
	default:
		ok = b.integer(path, v, f)
	}
	if !ok {
		b.complain(path, f.line, "", "found %s, accepts %s", &f.value, accepted(v.Kind()))
	}
}

func accepted(k reflect.Kind) string {
	switch k {
	case reflect.Struct:
		return "a message { … }"
	case reflect.String:
		return `a text in quotes`
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint32, reflect.Uint64:
		return "a whole number of 0 or more"
	default:
		return "a whole number"
	}
}

func (b *binder) boolean(v reflect.Value, is *value) bool {
	switch is.text {
	case "true", "True", "t", "1":
		v.SetBool(true)
	case "false", "False", "f", "0":
	default:
		return false
	}
	return is.kind == isWord || is.kind == isNumber
}

func (b *binder) float(v reflect.Value, is *value) bool {
	text := is.text
	if is.kind == isNumber {
		text = strings.TrimRight(text, "fF")
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || is.kind == isMessage || math.IsNaN(n) || math.IsInf(n, 0) {
		return false
	}
	v.SetFloat(n)
	return true
}

// integer sets a whole number, which JSON may write as text or as 1.0.
func (b *binder) integer(path string, v reflect.Value, f *field) bool {
	text := f.value.text
	quoted := f.value.kind == isText && b.json
	if f.value.kind != isNumber && !quoted || !plainInteger(text) {
		return false
	}
	var signed int64
	var unsigned uint64
	var err error
	small := v.Type().Bits()
	isUnsigned := v.CanUint()
	if isUnsigned {
		unsigned, err = strconv.ParseUint(text, 0, small)
	} else {
		signed, err = strconv.ParseInt(text, 0, small)
	}
	if errors.Is(err, strconv.ErrRange) {
		b.complain(path, f.line, "", "%s is out of range: accepts %s of %d bits", text, accepted(v.Kind()), small)
		return true
	}
	if err != nil {
		return false
	}
	if isUnsigned {
		v.SetUint(unsigned)
	} else {
		v.SetInt(signed)
	}
	return true
}

// plainInteger reports whether text is one as protobuf writes them: of what Go accepts besides, not.
func plainInteger(text string) bool {
	digits := strings.ToLower(strings.TrimPrefix(text, "-"))
	return !strings.ContainsAny(digits, "_+") && !strings.HasPrefix(digits, "0b") && !strings.HasPrefix(digits, "0o")
}

// enum sets one of a list of words, given as such, as text in JSON, or by number.
func (b *binder) enum(path string, v reflect.Value, words []string, f *field) {
	word := f.value.text
	if n, err := strconv.Atoi(word); err == nil && f.value.kind == isNumber && n >= 0 && n < len(words) {
		word = words[n]
	}
	if f.value.kind == isMessage || !slices.Contains(words, word) {
		b.complain(path, f.line, "", "found %s: want one of %s", &f.value, strings.Join(words, ", "))
		return
	}
	v.SetString(word)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
