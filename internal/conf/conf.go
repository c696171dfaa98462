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
	"errors"
	"os"
)

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
// integers, float32/64, string, [time.Duration], [Size], structs and pointers to them, slices, and maps with string
// keys. An embedded struct without a tag contributes its keys to the table of the struct around it. Keys that are not
// fields are problems.
//
// The error is a [Problems] with everything that is wrong, sorted by line; the contents of dst are then unspecified.
// Warnings come back with or without an error.
func Decode(name string, src []byte, dst any) (warnings Problems, err error) {
	return nil, errors.New("conf: not written yet")
}

// Defaulter fills a struct with its defaults. Decode calls it on a pointer to every struct it fills, entries of maps and
// elements of arrays included, before that struct's own keys are bound.
type Defaulter interface{ SetDefaults() }

// Checker judges a configuration as a whole. Decode calls it once, on the root, after every key that could be bound has
// been, even when some could not: a file's problems are all found in one run. The root passes r.At("key") on to its parts.
type Checker interface{ Check(r *Report) }
