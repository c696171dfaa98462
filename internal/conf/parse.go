package conf

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// parse turns src into TOML's own types (string, int64, float64, bool, time.Time, []any, []map[string]any and
// map[string]any) and finds the line of every key. A file that is no TOML is one problem: after the first mistake
// a parser can only guess.
func parse(name string, src []byte) (map[string]any, lineIndex, *Problem) {
	fail := func(line int, format string, args ...any) (map[string]any, lineIndex, *Problem) {
		return nil, nil, &Problem{File: name, Line: line, Msg: fmt.Sprintf(format, args...)}
	}
	if len(src) > maxSource {
		return fail(0, "file of %d bytes is too large: at most %d bytes are read", len(src), maxSource)
	}
	// The index goes first because it has bounds, which the recursive parser has not.
	where, complaint, line := indexLines(src)
	if complaint != "" {
		return fail(line, "%s", complaint)
	}
	var tree map[string]any
	if err := decodeTOML(src, &tree); err != nil {
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			return fail(max(pe.Position.Line, 1), "not valid TOML: %s", tidy(pe.Message))
		}
		return fail(0, "not valid TOML: %s", tidy(err.Error()))
	}
	return tree, where, nil
}

// decodeTOML contains the parser's panics, which it uses for inputs its author did not foresee: a reload of such a file
// must be refused, not end a process that serves traffic.
func decodeTOML(src []byte, tree *map[string]any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	return toml.Unmarshal(src, tree)
}

// tidy puts the parser's messages into our voice: lower case, no full stop, one line.
func tidy(msg string) string {
	msg = strings.TrimRight(strings.Join(strings.Fields(msg), " "), ".")
	first, size := utf8.DecodeRuneInString(msg)
	return string(unicode.ToLower(first)) + msg[size:]
}
