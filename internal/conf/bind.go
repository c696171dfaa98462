package conf

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binder carries parsed values into fields and notes what does not fit.
type binder struct {
	*findings
	around []scope // the tables around the one being bound, outermost first
}

// scope is a table being bound: where it stands and what it accepts.
type scope struct {
	path   string
	fields []field
}

// bindTable fills the struct v from table.
func (b *binder) bindTable(path string, v reflect.Value, table map[string]any) {
	here := scope{path, fieldsOf(v.Type())}
	b.around = append(b.around, here)
	for _, key := range slices.Sorted(maps.Keys(table)) {
		at := join(path, Quote(key))
		if f, ok := find(here.fields, key); ok {
			b.bind(at, v.FieldByIndex(f.index), table[key])
		} else {
			b.unknownKey(at, key, table)
		}
	}
	b.around = b.around[:len(b.around)-1]
}

// bind sets v from value, or reports why it cannot.
func (b *binder) bind(path string, v reflect.Value, value any) {
	if s, ok := value.(string); ok {
		b.bindString(path, v, s)
		return
	}
	switch v.Interface().(type) {
	case time.Duration:
		b.mismatch(path, v.Type(), value)
		return
	case Size:
		if n, ok := value.(int64); ok && n < 0 {
			b.spoil(path, fmt.Sprintf("%d is negative: accepts %s", n, sizeForms), "")
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Map:
		if table, ok := value.(map[string]any); ok {
			b.bindNested(path, v, table)
			return
		}
	case reflect.Slice:
		if elements, ok := elementsOf(value); ok {
			b.bindSlice(path, v, elements)
			return
		}
	default:
		if b.bindScalar(path, v, value) {
			return
		}
	}
	b.mismatch(path, v.Type(), value)
}

// bindNested fills what a table can stand for: a struct, a pointer to one, or a map.
func (b *binder) bindNested(path string, v reflect.Value, table map[string]any) {
	switch v.Kind() {
	case reflect.Struct:
		b.bindTable(path, v, table)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(fresh(v.Type().Elem()).Addr())
		}
		b.bindNested(path, v.Elem(), table)
	default:
		m := reflect.MakeMapWithSize(v.Type(), len(table))
		for _, key := range slices.Sorted(maps.Keys(table)) {
			// An entry that cannot be bound is kept with its defaults, so that references to it are not dangling too.
			entry := fresh(v.Type().Elem())
			b.bind(join(path, Quote(key)), entry, table[key])
			m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), entry)
		}
		v.Set(m)
	}
}

func (b *binder) bindSlice(path string, v reflect.Value, elements []any) {
	s := reflect.MakeSlice(v.Type(), 0, len(elements))
	for i, e := range elements {
		entry := fresh(v.Type().Elem())
		b.bind(element(path, i), entry, e)
		s = reflect.Append(s, entry)
	}
	v.Set(s)
}

// elementsOf unifies the parser's two forms of an array.
func elementsOf(value any) ([]any, bool) {
	switch a := value.(type) {
	case []any:
		return a, true
	case []map[string]any:
		elements := make([]any, len(a))
		for i, table := range a {
			elements[i] = table
		}
		return elements, true
	}
	return nil, false
}

// fresh is a settable t with its defaults.
func fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	setDefaults(v)
	return v
}

// bindString expands s and sets v, whatever its type, if s can stand for it.
func (b *binder) bindString(path string, v reflect.Value, s string) {
	text, expanded, err := expand(s)
	if err != nil {
		b.spoil(path, err.Error(), "")
		return
	}
	switch v.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			b.spoil(path, fmt.Sprintf("%q is not %s", text, accepted(v.Type())), durationHint(text))
			return
		}
		v.SetInt(int64(d))
		return
	case Size:
		size, err := ParseSize(text)
		if err != nil {
			b.spoil(path, err.Error(), "")
			return
		}
		v.SetInt(int64(size))
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return
	}
	if value, ok := literal(text); expanded && ok && b.bindScalar(path, v, value) {
		return
	}
	b.mismatch(path, v.Type(), text)
}

// literal reads text, which came from the environment, as the number or boolean it would be in the file.
func literal(text string) (any, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return f, true
	}
	return text == "true", text == "true" || text == "false"
}

// bindScalar sets a number or boolean. It reports whether the problem, if any, has been dealt with: false is a mismatch.
func (b *binder) bindScalar(path string, v reflect.Value, value any) bool {
	switch v.Kind() {
	case reflect.Bool:
		set, ok := value.(bool)
		if ok {
			v.SetBool(set)
		}
		return ok
	case reflect.String:
		return false
	case reflect.Float32, reflect.Float64:
		return b.bindFloat(path, v, value)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := value.(int64)
		if !ok || v.OverflowInt(n) {
			return ok && b.outOfRange(path, v.Type(), n)
		}
		v.SetInt(n)
		return true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, ok := value.(int64)
		if !ok || n < 0 || v.OverflowUint(uint64(n)) {
			return ok && b.outOfRange(path, v.Type(), n)
		}
		v.SetUint(uint64(n))
		return true
	}
	panic(fmt.Sprintf("BUG: conf cannot bind %s to a %s", path, v.Type()))
}

func (b *binder) bindFloat(path string, v reflect.Value, value any) bool {
	f, ok := value.(float64)
	if n, whole := value.(int64); whole {
		f, ok = float64(n), true
	}
	switch {
	case !ok:
		return false
	case math.IsNaN(f) || math.IsInf(f, 0) || v.OverflowFloat(f):
		b.spoil(path, fmt.Sprintf("%v is not %s", f, accepted(v.Type())), "")
	default:
		v.SetFloat(f)
	}
	return true
}

func (b *binder) outOfRange(path string, t reflect.Type, n int64) bool {
	b.spoil(path, fmt.Sprintf("%d is out of range: accepts %s", n, accepted(t)), "")
	return true
}

func (b *binder) mismatch(path string, t reflect.Type, value any) {
	b.spoil(path, fmt.Sprintf("found %s, accepts %s", found(value), accepted(t)), mismatchHint(path, t, value))
}

// unknownKey reports a key that its table does not accept, with the best guess at what was meant.
func (b *binder) unknownKey(path, key string, table map[string]any) {
	here := b.around[len(b.around)-1]
	known := names(here.fields)
	if meant := Suggest(key, known); meant != "" {
		if _, there := table[meant]; !there {
			b.mute(join(here.path, meant)) // it is missing only because of this typo
		}
		b.problems = append(b.problems, b.problem(path, "unknown key", fmt.Sprintf("did you mean %q?", meant)))
		return
	}
	hint := "accepted here: " + strings.Join(known, ", ")
	if elsewhere := b.homeOf(key); elsewhere != "" {
		hint = "it belongs " + elsewhere
	}
	b.problems = append(b.problems, b.problem(path, "unknown key", hint))
}

// homeOf says where key would be accepted: in a table inside the current one, or in one around it; "" if in neither.
func (b *binder) homeOf(key string) string {
	here := b.around[len(b.around)-1]
	for _, f := range here.fields {
		if t, ok := tableOf(f.typ); ok {
			if _, ok := find(fieldsOf(t), key); ok {
				return "in [" + join(here.path, f.name) + "]"
			}
		}
	}
	for _, s := range slices.Backward(b.around[:len(b.around)-1]) {
		if _, ok := find(s.fields, key); !ok {
			continue
		}
		if s.path == "" {
			return "at the top of the file, before the first [table]"
		}
		return "in [" + s.path + "]"
	}
	return ""
}
