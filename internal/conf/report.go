package conf

import "fmt"

// Report collects what a [Checker] finds. It stands at one place of the file; [Report.At] moves to a part of it.
type Report struct {
	sink *sink
	path string
}

// sink is what all Reports of one Decode write to.
type sink struct {
	file              string
	problems, warning Problems
}

// At is the report for what lies under key: a key of the current table ("breaker"), a dotted path of keys, or an array
// element ("nodes[2]"). A key that is no bare TOML key, such as a model name with a dot, is passed through [Quote] first.
func (r *Report) At(key string) *Report { return &Report{sink: r.sink, path: join(r.path, key)} }

// Errorf reports an error of key, relative to where the report stands; "" means the place itself. A key that is not in
// the file is reported at the line of its table.
func (r *Report) Errorf(key, format string, args ...any) {
	r.sink.problems = append(r.sink.problems, r.problem(key, format, args))
}

// Warnf is Errorf for what should be said but does not keep the configuration from being used.
func (r *Report) Warnf(key, format string, args ...any) {
	r.sink.warning = append(r.sink.warning, r.problem(key, format, args))
}

func (r *Report) problem(key, format string, args []any) Problem {
	return Problem{File: r.sink.file, Path: join(r.path, key), Msg: fmt.Sprintf(format, args...)}
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}
