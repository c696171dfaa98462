package conf

import (
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
