package conf

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with a file.
type Problem struct {
	File string // as given to Load or Decode
	Line int    // 1-based line of the key, or of its table when the key is missing; 0 when unknown
	Path string // dotted key, as it would be written in TOML; empty for a problem of the whole file
	Msg  string // what is wrong and what would be accepted
	Hint string // what was probably meant; may be empty
}

// String is one line: `gateway.toml:12: pools.main.polcy: unknown key; did you mean "policy"?`.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Msg)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything wrong with a file, sorted by line. As an error it reads one line per problem.
type Problems []Problem

// Error is one line per problem, without a trailing newline.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// findings collects the problems of one Decode.
type findings struct {
	file     string
	where    lineIndex
	problems Problems
	warnings Problems
	spoiled  map[string]bool // paths whose value could not be bound, so that Check judges a default there
}

func (f *findings) problem(path, msg, hint string) Problem {
	return Problem{File: f.file, Line: f.where.line(path), Path: path, Msg: msg, Hint: hint}
}

// spoil reports that the value at path could not be bound.
func (f *findings) spoil(path, msg, hint string) {
	f.problems = append(f.problems, f.problem(path, msg, hint))
	f.mute(path)
}

// mute silences Check at path and below: what it finds there follows from a problem that has been reported.
func (f *findings) mute(path string) {
	if f.spoiled == nil {
		f.spoiled = make(map[string]bool)
	}
	f.spoiled[path] = true
}

func (f *findings) muted(path string) bool {
	for ; path != ""; path = ParentPath(path) {
		if f.spoiled[path] {
			return true
		}
	}
	return false
}

func (f *findings) result() (warnings Problems, err error) {
	byLine := func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) }
	slices.SortStableFunc(f.warnings, byLine)
	if len(f.problems) == 0 {
		return f.warnings, nil
	}
	slices.SortStableFunc(f.problems, byLine)
	return f.warnings, f.problems
}
