// Package conf reads strict TOML into Go structs and reports everything that is wrong with a file in one go.
//
// It owns the way from bytes to a filled struct: syntax, defaults, environment expansion, types, unknown keys and the
// line each message points at. It refuses anything it does not understand: an unknown key, a number where a duration
// belongs or a variable that is not set is a problem, never a silent default. It knows nothing about what the keys mean;
// that is what [Checker] is for.
//
// Concurrency: no state is shared between calls, so all functions may be called concurrently; a [Report] belongs to the
// one call of Check that received it.
package conf

import (
	"fmt"
	"os"
	"reflect"
)

// maxSource bounds a file, in bytes. Sixteen nodes and a hundred routes take about 10 KiB; the parser needs up to 2 s
// for a hostile megabyte (measured), which is as long as a reload may ever take.
const maxSource = 1 << 20

// Load reads the file at path and decodes it into dst as [Decode] does, with path as the file name in messages.
// An unreadable file is returned as is (an *fs.PathError), a file at fault as [Problems].
func Load(path string, dst any) (warnings Problems, err error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, src, dst)
}

// Decode binds the TOML document src to dst, a non-nil pointer to a struct; name stands for the file in messages.
//
// Fields are bound by their `toml:"name"` tag; fields without one are left alone. Supported field types are bool, the
// integers, the floats, string, [time.Duration], [Size], structs and pointers to them, slices, and maps with string
// keys; any other type is a bug of the caller and panics. An embedded struct without a tag contributes its keys to the
// table of the struct around it. A map or slice in the file replaces the default one as a whole. A pointer to a struct
// stays nil unless its table is in the file.
//
// Strings expand ${NAME} and ${NAME:-default} from the environment; $${ stands for a plain ${. A string that held a
// variable may stand for a number, a boolean or a size, so that these can come from the environment too.
//
// The error is a [Problems] with everything that is wrong, sorted by line; the contents of dst are then what could be bound.
// Warnings come back with or without an error.
func Decode(name string, src []byte, dst any) (warnings Problems, err error) {
	root := reflect.ValueOf(dst)
	if root.Kind() != reflect.Pointer || root.IsNil() || root.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: conf.Decode into %T: want a non-nil pointer to a struct", dst))
	}
	f := &findings{file: name}
	tree, where, problem := parse(name, src)
	if problem != nil {
		return nil, Problems{*problem}
	}
	f.where = where

	setDefaults(root.Elem())
	b := binder{findings: f}
	b.bindTable("", root.Elem(), tree)
	if c, ok := dst.(Checker); ok {
		c.Check(&Report{findings: f})
	}
	return f.result()
}

// Defaulter fills a struct with its defaults. Decode calls it on a pointer to every struct it fills, entries of maps and
// elements of arrays included, before any key is bound: inner structs first, so that an outer one has the last word.
type Defaulter interface{ SetDefaults() }

// Checker judges a configuration as a whole. Decode calls it once, on the root, after every key that could be bound has
// been, even when some could not: a file's problems are all found in one run. The root passes r.At("key") on to its parts.
type Checker interface{ Check(r *Report) }

// setDefaults calls SetDefaults on every struct that v holds by value, inner ones first, then on v itself.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && (f.Anonymous || f.Tag.Get("toml") != "") {
			setDefaults(v.Field(i))
		}
	}
	if d, ok := reflect.TypeAssert[Defaulter](v.Addr()); ok {
		d.SetDefaults()
	}
}
