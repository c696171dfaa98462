// Package pbtxt reads protobuf messages that people write, in the text format or in JSON, into Go structs, and reports
// everything that is wrong with a file in one go.
//
// It owns the way from bytes to a filled struct and to the line that each field stands in. The libraries for these formats
// need a message's descriptor and drop the lines; here the struct's tags are the schema, and whoever judges what the fields
// mean can say where. It refuses what it does not understand: an unknown field, a field said twice, a number that does not
// fit. Files come from strangers: size, nesting and the number of values are bounded.
//
// Nothing is shared between calls.
package pbtxt

import (
	"fmt"
	"reflect"

	"ganglion/internal/conf"
)

const (
	// maxSource bounds a file, in bytes: a hundred times what a model of many tensors and warm-up requests takes.
	maxSource = 1 << 20

	// maxDepth bounds nesting, and with it the recursion here. Model configurations need seven levels.
	maxDepth = 32

	// maxProblems is how many complaints about one file anybody reads.
	maxProblems = 50
)

// Any is a field of any content, for those that are only looked at for being there. An empty list is nothing.
type Any struct{ Set bool }

// Enum is a string that holds one of a list of words, numbered by their place in it.
type Enum interface{ Words() []string }

// Places says in which lines the fields of a file stand. Paths are those of messages: "input[1].dims". The entries of a map
// are elements in the file's order.
type Places struct{ lines map[string]int }

// Has reports whether the file has a field, be it with its default as value.
func (p *Places) Has(path string) bool { return p.lines[path] > 0 }

// Line is where a field stands, or the nearest thing around it; 0 if not even that.
func (p *Places) Line(path string) int {
	for {
		if line, ok := p.lines[path]; ok || path == "" {
			return line
		}
		path = conf.ParentPath(path)
	}
}

// Decode reads the text format into dst, a non-nil pointer to a struct; name stands for the file in messages.
//
// Fields are bound by their `pb:"name"` tag; fields without one are left alone. Supported are bool, the integers of 32 and
// 64 bits, floats, string, [Enum], [Any], structs, pointers to structs (nil where the message is not in the file), slices
// of these, and maps from string or an integer. The error is a conf.Problems; the contents of dst are then unspecified.
func Decode(name string, src []byte, dst any) (*Places, error) {
	return decode(name, src, dst, parseText)
}

// DecodeJSON reads the JSON form of a message as [Decode] does the text form. Fields may be spelled as in the text format
// or in lowerCamelCase.
func DecodeJSON(name string, src []byte, dst any) (*Places, error) {
	return decode(name, src, dst, parseJSON)
}

func decode(name string, src []byte, dst any, parse func([]byte) (*message, *complaint)) (*Places, error) {
	root := reflect.ValueOf(dst)
	if root.Kind() != reflect.Pointer || root.IsNil() || root.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: pbtxt decodes into %T: want a non-nil pointer to a struct", dst))
	}
	b := &binder{file: name, places: &Places{lines: map[string]int{}}}
	if len(src) > maxSource {
		return nil, conf.Problems{{File: name, Msg: fmt.Sprintf("%d bytes: at most %d are read", len(src), maxSource)}}
	}
	tree, bad := parse(src)
	if bad != nil {
		return nil, conf.Problems{{File: name, Line: bad.line, Msg: bad.msg}}
	}
	b.json = tree.json
	b.message("", root.Elem(), tree)
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return b.places, nil
}

// message is a parsed message: its fields in the file's order.
type message struct {
	fields []field
	json   bool // maps are objects, and fields may be in lowerCamelCase
}

// field is one value of a field; a repeated field may have several.
type field struct {
	name  string
	line  int
	list  bool // from a list: [1, 2]; an empty one has no value
	value value
}

// kind says what a value is made of.
type kind uint8

const (
	isNothing kind = iota // an empty list
	isWord                // true, KIND_GPU, inf
	isNumber
	isText
	isMessage
)

// value is a scalar's text, without quotes, or a message.
type value struct {
	kind    kind
	text    string
	message *message
}

func (v *value) String() string {
	switch v.kind {
	case isText:
		return fmt.Sprintf("the text %q", v.text)
	case isMessage:
		return "a message"
	case isNothing:
		return "an empty list"
	default:
		return v.text
	}
}

// complaint is a syntax error.
type complaint struct {
	line int
	msg  string
}
