package conf

import (
	"reflect"
	"slices"
)

// field is a struct field that a key binds to.
type field struct {
	name  string
	index []int
	typ   reflect.Type
}

// fieldsOf lists the keys that a table for t accepts, in the order of the struct.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		tag := f.Tag.Get("toml")
		switch {
		case tag != "" && f.IsExported():
			fields = append(fields, field{tag, f.Index, f.Type})
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append(slices.Clip(f.Index), inner.index...)
				fields = append(fields, inner)
			}
		}
	}
	return fields
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

func find(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

// tableOf is the struct type behind a field that holds one table, directly or through a pointer.
func tableOf(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct
}
