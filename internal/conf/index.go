package conf

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The deepest key in use has five levels, the longest names are those of models (64 bytes) and addresses. The bounds keep
// recursion, this scanner's and the parser's, and the paths that both of them store for every key, in proportion.
const (
	maxDepth = 16
	maxKey   = 256 // bytes
)

// lineIndex maps the path of every key and array element of a document to its line. The parser knows positions but
// does not hand them out, hence this second, much simpler reader.
type lineIndex map[string]int

// line is where path stands, or the nearest thing around it; 0 if not even that.
func (x lineIndex) line(path string) int {
	for {
		if line, ok := x[path]; ok || path == "" {
			return line
		}
		path = ParentPath(path)
	}
}

// indexLines reads src, which need not be valid: it stops where it does not understand, and leaves the complaint to the
// parser. Its own complaint, about a bound, comes with the line.
func indexLines(src []byte) (x lineIndex, complaint string, line int) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	s := &scanner{src: src, line: 1, index: make(lineIndex), length: make(map[string]int)}
	table := ""
	for s.skipBlank() {
		ok := false
		if s.peek() == '[' {
			table, ok = s.header()
		} else {
			ok = s.pair(table, 0)
		}
		if !ok {
			break
		}
	}
	return s.index, s.complaint, s.line
}

// scanner walks a document once. Every method that reports ok = false has met something that is no TOML, or complained.
type scanner struct {
	src       []byte
	pos       int
	line      int
	complaint string
	index     lineIndex
	length    map[string]int // elements so far of each array of tables
}

// header reads [a.b] or [[a.b]] and returns the path of the table it opens.
func (s *scanner) header() (table string, ok bool) {
	line := s.line
	array := bytes.HasPrefix(s.src[s.pos:], []byte("[["))
	closing := "]"
	if array {
		closing = "]]"
	}
	s.pos += len(closing)
	keys, ok := s.key()
	if !ok || !s.take(closing) {
		return "", false
	}
	for _, k := range keys[:len(keys)-1] {
		table = s.latest(s.mention(join(table, k), line))
	}
	table = join(table, keys[len(keys)-1])
	if !array {
		s.index[table] = line
		return s.latest(table), true
	}
	s.mention(table, line)
	s.length[table]++
	table = s.latest(table)
	s.index[table] = line
	return table, true
}

// latest is the path of the last element if table is an array of tables: that is what headers below it extend.
func (s *scanner) latest(table string) string {
	if n := s.length[table]; n > 0 {
		return element(table, n-1)
	}
	return table
}

// mention notes the line of a path that is only implied, unless it has one.
func (s *scanner) mention(path string, line int) string {
	if _, ok := s.index[path]; !ok {
		s.index[path] = line
	}
	return path
}

// pair reads key = value below table.
func (s *scanner) pair(table string, depth int) bool {
	line := s.line
	keys, ok := s.key()
	if !ok || !s.take("=") {
		return false
	}
	depth += len(keys)
	path := table
	for _, k := range keys {
		path = s.mention(join(path, k), line)
	}
	s.index[path] = line
	return s.value(path, depth)
}

// value reads whatever follows = or stands in an array.
func (s *scanner) value(path string, depth int) bool {
	if depth > maxDepth {
		return s.complain("nested more than %d levels deep", maxDepth)
	}
	s.skipSpace()
	switch s.peek() {
	case '[':
		return s.array(path, depth+1)
	case '{':
		return s.inlineTable(path, depth+1)
	case '"', '\'':
		_, ok := s.quoted()
		return ok
	}
	start := s.pos
	for s.pos < len(s.src) && strings.IndexByte(",]}#\n", s.src[s.pos]) < 0 {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) complain(format string, args ...any) (ok bool) {
	s.complaint = fmt.Sprintf(format, args...)
	return false
}

func (s *scanner) array(path string, depth int) bool {
	s.pos++
	for i := 0; ; i++ {
		if !s.skipBlank() {
			return false
		}
		if s.take("]") {
			return true
		}
		at := element(path, i)
		s.index[at] = s.line
		if !s.value(at, depth) || !s.skipBlank() {
			return false
		}
		if !s.take(",") {
			return s.take("]")
		}
	}
}

func (s *scanner) inlineTable(path string, depth int) bool {
	s.pos++
	for {
		if !s.skipBlank() {
			return false
		}
		if s.take("}") {
			return true
		}
		if !s.pair(path, depth) || !s.skipBlank() {
			return false
		}
		if !s.take(",") {
			return s.take("}")
		}
	}
}

// key reads a dotted key and returns its parts, quoted as paths want them.
func (s *scanner) key() (parts []string, ok bool) {
	for {
		s.skipSpace()
		part, ok := s.keyPart()
		if !ok {
			return nil, false
		}
		if len(part) > maxKey {
			return nil, s.complain("key of %d bytes: at most %d are accepted", len(part), maxKey)
		}
		if parts = append(parts, Quote(part)); len(parts) > maxDepth {
			return nil, s.complain("key of more than %d parts", maxDepth)
		}
		if !s.take(".") {
			return parts, true
		}
	}
}

func (s *scanner) keyPart() (string, bool) {
	if c := s.peek(); c == '"' || c == '\'' {
		return s.quoted()
	}
	start := s.pos
	for s.pos < len(s.src) && bareKeyByte(s.src[s.pos]) {
		s.pos++
	}
	return string(s.src[start:s.pos]), s.pos > start
}

// quoted reads a string of any of the four kinds. The text is right for those that can be keys, the single-line ones.
func (s *scanner) quoted() (text string, ok bool) {
	mark := s.src[s.pos : s.pos+1]
	if triple := bytes.Repeat(mark, 3); bytes.HasPrefix(s.src[s.pos:], triple) {
		mark = triple
	}
	basic := mark[0] == '"'
	start := s.pos + len(mark)
	for s.pos = start; s.pos < len(s.src); s.pos++ {
		switch {
		case basic && s.src[s.pos] == '\\':
			s.pos++ // whatever is escaped, it does not end the string; an escaped newline is counted below
			if s.pos < len(s.src) && s.src[s.pos] == '\n' {
				s.line++
			}
		case s.src[s.pos] == '\n':
			if len(mark) == 1 {
				return "", false
			}
			s.line++
		case bytes.HasPrefix(s.src[s.pos:], mark):
			text := string(s.src[start:s.pos])
			s.pos += len(mark)
			// A multi-line string may end in one or two quotes of its own: the last three close it.
			for n := 0; n < 2 && len(mark) == 3 && s.peek() == mark[0]; n++ {
				s.pos++
			}
			if basic && len(mark) == 1 {
				return unescape(text)
			}
			return text, true
		}
	}
	return "", false
}

// tomlEscapes rewrites the escapes that TOML has and Go has not (or reads as a byte, not a rune).
var tomlEscapes = strings.NewReplacer(`\\`, `\\`, `\e`, `\u001b`, `\x`, `\u00`)

func unescape(s string) (string, bool) {
	text, err := strconv.Unquote(`"` + tomlEscapes.Replace(s) + `"`)
	return text, err == nil
}

// take consumes word, and spaces before it, if it is next.
func (s *scanner) take(word string) bool {
	s.skipSpace()
	if !bytes.HasPrefix(s.src[s.pos:], []byte(word)) {
		return false
	}
	s.pos += len(word)
	return true
}

// peek is the next byte, or 0 at the end; a NUL byte in the source is no TOML anyway.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) skipSpace() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.pos++
	}
}

// skipBlank skips spaces, newlines and comments and reports whether anything is left.
func (s *scanner) skipBlank() bool {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\r':
		case '\n':
			s.line++
		case '#':
			end := bytes.IndexByte(s.src[s.pos:], '\n')
			if end < 0 {
				s.pos = len(s.src)
				return false
			}
			s.pos += end - 1
		default:
			return true
		}
		s.pos++
	}
	return false
}
