package pbtxt

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parser reads the text format. Its methods panic with a *complaint, which parseText catches: a message is a few levels
// deep, and every one of them would otherwise say the same three lines after every call.
type parser struct {
	src  string
	pos  int
	line int
}

func parseText(src []byte) (m *message, bad *complaint) {
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(*complaint)
			if !ok {
				panic(r)
			}
			bad = c
		}
	}()
	p := &parser{src: strings.TrimPrefix(string(src), "\ufeff"), line: 1}
	if i := strings.IndexByte(p.src, 0); i >= 0 {
		return nil, &complaint{1 + strings.Count(p.src[:i], "\n"), "holds a zero byte: this is no text"}
	}
	return p.message(0, 0), nil
}

func (p *parser) fail(format string, args ...any) {
	panic(&complaint{p.line, fmt.Sprintf(format, args...)})
}

// blank skips white space and comments, and returns the byte behind them; 0 at the end.
func (p *parser) blank() byte {
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; c {
		case '\n':
			p.line++
			p.pos++
		case ' ', '\t', '\r', '\f', '\v':
			p.pos++
		case '#':
			end := strings.IndexByte(p.src[p.pos:], '\n')
			if end < 0 {
				end = len(p.src) - p.pos
			}
			p.pos += end
		default:
			return c
		}
	}
	return 0
}

// skip takes the byte c if it comes next.
func (p *parser) skip(c byte) bool {
	if p.blank() != c {
		return false
	}
	p.pos++
	return true
}

// next describes what comes next, for messages.
func (p *parser) next() string {
	if p.blank() == 0 {
		return "the end of the file"
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.pos:])
	return strconv.QuoteRune(r)
}

// message reads fields up to end, which is 0 for the file's own.
func (p *parser) message(end byte, depth int) *message {
	if depth > maxDepth {
		p.fail("nested more than %d deep", maxDepth)
	}
	m := &message{}
	opened := p.line
	for {
		switch p.blank() {
		case end:
			if end != 0 {
				p.pos++
			}
			return m
		case 0:
			p.fail("the file ends inside the message that line %d opens: %q is missing", opened, end)
		}
		m.fields = p.field(m.fields, depth)
		if !p.skip(',') {
			p.skip(';')
		}
	}
}

// field appends the values of one field.
func (p *parser) field(fields []field, depth int) []field {
	f := field{name: p.name(), line: p.line}
	colon := p.skip(':')
	switch c := p.blank(); {
	case c == '{' || c == '<':
		f.value = p.value(depth)
	case c == '[':
		p.pos++
		return p.list(fields, f, colon, depth)
	case !colon:
		p.fail("found %s behind the field %q: want %q or %q", p.next(), f.name, ":", "{")
	default:
		f.value = p.value(depth)
	}
	return append(fields, f)
}

// list reads the values of a list behind its opening bracket.
func (p *parser) list(fields []field, f field, colon bool, depth int) []field {
	f.list = true
	if p.skip(']') {
		return append(fields, f)
	}
	for {
		f.value, f.line = p.value(depth), p.line
		if f.value.kind != isMessage && !colon {
			p.fail("the field %q lacks its %q", f.name, ":")
		}
		fields = append(fields, f)
		if p.skip(']') {
			return fields
		}
		if !p.skip(',') {
			p.fail("found %s in the list of %q: want %q or %q", p.next(), f.name, ",", "]")
		}
	}
}

// name reads a field's name.
func (p *parser) name() string {
	if c := p.blank(); !letter(c) {
		if c == '[' {
			p.fail("extensions and Any messages are not read")
		}
		p.fail("found %s: want the name of a field", p.next())
	}
	return p.word()
}

// word reads letters, digits and underscores.
func (p *parser) word() string {
	start := p.pos
	for p.pos < len(p.src) && (letter(p.src[p.pos]) || digit(p.src[p.pos])) {
		p.pos++
	}
	return p.src[start:p.pos]
}

func letter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// value reads one value that is no list.
func (p *parser) value(depth int) value {
	switch c := p.blank(); {
	case c == '{':
		p.pos++
		return value{kind: isMessage, message: p.message('}', depth+1)}
	case c == '<':
		p.pos++
		return value{kind: isMessage, message: p.message('>', depth+1)}
	case c == '"' || c == '\'':
		return value{kind: isText, text: p.text()}
	case c == '-' || c == '.' || digit(c):
		return p.number()
	case letter(c):
		return value{kind: isWord, text: p.word()}
	}
	p.fail("found %s: want a value", p.next())
	return value{}
}

// number reads a number, or "-inf" and the like.
func (p *parser) number() value {
	sign := ""
	if p.skip('-') {
		sign = "-"
	}
	if c := p.blank(); letter(c) {
		return value{kind: isWord, text: sign + p.word()}
	}
	start := p.pos
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		exponent := (c == '+' || c == '-') && p.pos > start && (p.src[p.pos-1] == 'e' || p.src[p.pos-1] == 'E')
		if !letter(c) && !digit(c) && c != '.' && !exponent {
			break
		}
		p.pos++
	}
	if p.pos == start {
		p.fail("found %s: want a number", p.next())
	}
	return value{kind: isNumber, text: sign + p.src[start:p.pos]}
}

// text reads string literals; those that follow each other are one.
func (p *parser) text() string {
	var b strings.Builder
	for c := p.blank(); c == '"' || c == '\''; c = p.blank() {
		p.pos++
		p.literal(&b, c)
	}
	return b.String()
}

// literal reads the inside of a string up to its closing quote.
func (p *parser) literal(b *strings.Builder, quote byte) {
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		p.pos++
		switch c {
		case quote:
			return
		case '\n':
			p.fail("a text ends without its closing %q", quote)
		case '\\':
			p.escape(b)
		default:
			b.WriteByte(c)
		}
	}
	p.fail("a text ends without its closing %q", quote)
}

// escapes are the escapes of one letter.
const escapes = `a` + "\a" + `b` + "\b" + `f` + "\f" + `n` + "\n" + `r` + "\r" + `t` + "\t" + `v` + "\v" + `??''""\\`

// escape reads what follows a backslash.
func (p *parser) escape(b *strings.Builder) {
	if p.pos == len(p.src) {
		p.fail("the file ends in an escape")
	}
	c := p.src[p.pos]
	switch {
	case '0' <= c && c <= '7':
		b.WriteByte(byte(p.digits(3, 8, 0xff)))
		return
	case c == 'x' || c == 'X':
		p.pos++
		b.WriteByte(byte(p.digits(2, 16, 0xff)))
		return
	case c == 'u' || c == 'U':
		p.pos++
		width := map[byte]int{'u': 4, 'U': 8}[c]
		start := p.pos
		r := p.digits(width, 16, utf8.MaxRune)
		if p.pos-start != width || !utf8.ValidRune(rune(r)) {
			p.fail("\\%c needs %d hexadecimal digits of a character", c, width)
		}
		b.WriteRune(rune(r))
		return
	}
	for i := 0; i < len(escapes); i += 2 {
		if escapes[i] == c {
			b.WriteByte(escapes[i+1])
			p.pos++
			return
		}
	}
	p.fail("unknown escape \\%c", c)
}

// digits reads one to most digits.
func (p *parser) digits(most, base int, limit uint64) uint64 {
	end := p.pos
	for end < len(p.src) && end-p.pos < most && strings.IndexByte("0123456789abcdefABCDEF"[:map[int]int{8: 8, 16: 22}[base]], p.src[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseUint(p.src[p.pos:end], base, 64)
	if err != nil || n > limit {
		p.fail("an escape has no digits, or too large a number")
	}
	p.pos = end
	return n
}
