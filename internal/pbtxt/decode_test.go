package pbtxt_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ganglion/internal/pbtxt"
)

type colour string

func (colour) Words() []string { return []string{"NONE", "RED", "GREEN"} }

type part struct {
	Name   string            `pb:"name"`
	Sizes  []int64           `pb:"sizes"`
	Colour colour            `pb:"colour"`
	Parts  []part            `pb:"parts"`
	Tags   map[string]string `pb:"tags"`
}

type thing struct {
	Name    string          `pb:"name"`
	Small   int32           `pb:"small_number"`
	Large   uint64          `pb:"large"`
	Share   float64         `pb:"share"`
	On      bool            `pb:"on"`
	One     *part           `pb:"one"`
	Parts   []part          `pb:"parts"`
	Levels  map[uint64]part `pb:"levels"`
	Raw     pbtxt.Any       `pb:"raw"`
	Words   []string        `pb:"words"`
	Colours []colour        `pb:"colours"`
}

const sample = `# a comment
name: "ro\"bot" 'two' "\x41\102\u00e9\n"   # texts add up
small_number: -0x10
large: 18446744073709551615;
share: 1.5e-1f,
on: true
one { name: "inner" sizes: [ 1, -1, 3 ] sizes: 4 colour: GREEN tags { key: "k" value: "v" } tags: < value: "w" > }
parts [ { name: "a" }, { name: "b" parts { colour: 1 } } ]
parts: { }
levels { key: 7 value { name: "seven" } }
raw { whatever: [ 1, 2 ] deep { er { } } }
words: [ "x", "y" ]
words: []
colours: RED
`

var sampleThing = thing{
	Name: "ro\"bottwoABé\n", Small: -16, Large: 1<<64 - 1, Share: 0.15, On: true,
	One:    &part{Name: "inner", Sizes: []int64{1, -1, 3, 4}, Colour: "GREEN", Tags: map[string]string{"k": "v", "": "w"}},
	Parts:  []part{{Name: "a"}, {Name: "b", Parts: []part{{Colour: "RED"}}}, {}},
	Levels: map[uint64]part{7: {Name: "seven"}},
	Raw:    pbtxt.Any{Set: true}, Words: []string{"x", "y"}, Colours: []colour{"RED"},
}

func TestTextFormat(t *testing.T) {
	var got thing
	places, err := pbtxt.Decode("f", []byte(sample), &got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sampleThing) {
		t.Errorf("got  %+v\nwant %+v", got, sampleThing)
	}
	for path, line := range map[string]int{
		"small_number": 3, "one.sizes[3]": 7, "parts[1].parts[0].colour": 8, "parts[2]": 9, `levels["7"].name`: 10, "one.parts": 7, "nothing": 0,
	} {
		if got := places.Line(path); got != line {
			t.Errorf("%s: got line %d, want %d", path, got, line)
		}
	}
	if !places.Has("words") || places.Has("nothing") || places.Has("one.parts") {
		t.Error("Has is wrong about what is there")
	}
}

// TestJSONForm: the same message, with the liberties that JSON has.
func TestJSONForm(t *testing.T) {
	var got thing
	_, err := pbtxt.DecodeJSON("f", []byte(`{
		"name": "ro\"bottwoABé\n", "smallNumber": -16, "large": "18446744073709551615", "share": 0.15, "on": true,
		"one": {"name": "inner", "sizes": ["1", -1, 3, 4], "colour": "GREEN", "tags": {"k": "v", "": "w"}},
		"parts": [{"name": "a"}, {"name": "b", "parts": [{"colour": 1}]}, {}],
		"levels": {"7": {"name": "seven"}}, "raw": {"whatever": [1]}, "words": ["x", "y"], "colours": ["RED"]
	}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sampleThing) {
		t.Errorf("got  %+v\nwant %+v", got, sampleThing)
	}
	var null thing
	if _, err := pbtxt.DecodeJSON("f", []byte(`{"name": null, "words": [], "small_number": 3}`), &null); err != nil || null.Small != 3 {
		t.Errorf("got %+v, %v", null, err)
	}
}

func TestComplaints(t *testing.T) {
	for src, want := range map[string]string{
		"\nsmall_numbr: 1":                     `f:2: small_numbr: unknown field; did you mean "small_number"?`,
		"one { nme: 'x' }":                     `f:1: one.nme: unknown field; did you mean "name"?`,
		"name: 3":                              `f:1: name: found 3, accepts a text in quotes`,
		"small_number: 2147483648":             `f:1: small_number: 2147483648 is out of range: accepts a whole number of 32 bits`,
		"small_number: '3'":                    `f:1: small_number: found the text "3", accepts a whole number`,
		"small_number: 1.0":                    `f:1: small_number: found 1.0, accepts a whole number`,
		"small_number: 0b1":                    `f:1: small_number: found 0b1, accepts a whole number`,
		"large: -1":                            `f:1: large: found -1, accepts a whole number of 0 or more`,
		"on: yes":                              `f:1: on: found yes, accepts true or false`,
		"share: inf":                           `f:1: share: found inf, accepts a number`,
		"one: 3":                               `f:1: one: found 3, accepts a message { … }`,
		"one { colour: BLUE }":                 `f:1: one.colour: found BLUE: want one of NONE, RED, GREEN`,
		"one { colour: 3 }":                    `f:1: one.colour: found 3: want one of NONE, RED, GREEN`,
		"name: 'a'\nname: 'b'":                 `f:2: name: is there twice: line 1 has it too`,
		"name: ['a']":                          `f:1: name: found a list, where one value belongs`,
		"one { tags { key: 'a' val: 'b' }}":    `f:1: one.tags: found "val": an entry of a map has one key and one value`,
		"levels { key: 1 }\nlevels { key: 1 }": `f:2: levels[1]: the key 1 is there twice`,
		"one {\nname: 'x'\n":                   `f:3: the file ends inside the message that line 1 opens: '}' is missing`,
		"name: 'x":                             `f:1: a text ends without its closing '\''`,
		"name: 'x\ny'":                         `f:1: a text ends without its closing '\''`,
		`name: '\q'`:                           `f:1: unknown escape \q`,
		`name: '\ud800'`:                       `f:1: \u needs 4 hexadecimal digits of a character`,
		`name: '\x'`:                           `f:1: an escape has no digits, or too large a number`,
		"name 'x'":                             `f:1: found '\'' behind the field "name": want ":" or "{"`,
		"}":                                    `f:1: found '}': want the name of a field`,
		"name: ":                               `f:1: found the end of the file: want a value`,
		"[a.b]: 1":                             `f:1: extensions and Any messages are not read`,
		"one < name: 'x' }":                    `f:1: found '}': want the name of a field`,
		"words: [ 'x' 3":                       `f:1: found '3' in the list of "words": want "," or "]"`,
		"\x00":                                 `f:1: holds a zero byte: this is no text`,
		strings.Repeat("one {", 100):           `f:1: nested more than 32 deep`,
		strings.Repeat("#", 1<<20+1):           `f: 1048577 bytes: at most 1048576 are read`,
	} {
		_, err := pbtxt.Decode("f", []byte(src), &thing{})
		if err == nil || err.Error() != want {
			t.Errorf("%.40q:\ngot  %v\nwant %s", src, err, want)
		}
	}
}

func TestJSONComplaints(t *testing.T) {
	for src, want := range map[string]string{
		``:                                   `f:1: the text ends before the object does`,
		`{"name": "x"`:                       `f:1: the text ends before the object does`,
		`[]`:                                 `f:1: a list ("[") where one value belongs`,
		`3`:                                  `f:1: found 3: want an object`,
		`{} {}`:                              `f:1: something follows the object`,
		"{\n\"nam\": 1}":                     `f:2: nam: unknown field; did you mean "name"?`,
		`{"name": "a", "name": "b"}`:         `f:1: "name" is there twice`,
		`{"smallNumber":1,"small_number":2}`: `f:1: small_number: is there twice: line 1 has it too`,
		`{"words": [null]}`:                  `f:1: null in the list of "words"`,
		`{"words": [["x"]]}`:                 `f:1: a list ("[") where one value belongs`,
		`{"large": "0x"}`:                    `f:1: large: found the text "0x", accepts a whole number of 0 or more`,
		strings.Repeat(`{"one":`, 100):       `f:1: nested more than 32 deep`,
	} {
		_, err := pbtxt.DecodeJSON("f", []byte(src), &thing{})
		if err == nil || err.Error() != want {
			t.Errorf("%.40q:\ngot  %v\nwant %s", src, err, want)
		}
	}
}

// TestManyProblemsAreCut: whoever sends a file of nothing but mistakes does not get all of them back.
func TestManyProblemsAreCut(t *testing.T) {
	_, err := pbtxt.Decode("f", []byte(strings.Repeat("x: 1\n", 10_000)), &thing{})
	if n := strings.Count(fmt.Sprint(err), "\n"); n > 60 {
		t.Errorf("got %d lines", n)
	}
}

// FuzzDecode: whatever the text, no panic, and memory in proportion to it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(sample), false)
	f.Add([]byte(`{"one":{"tags":{"a":"b"}},"levels":{"1":{}},"words":[]}`), true)
	f.Add([]byte("one<name:'\\"), false)
	f.Add([]byte(`levels { key: 1 value { } value { } }`), false)
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		var got thing
		decode := pbtxt.Decode
		if json {
			decode = pbtxt.DecodeJSON
		}
		places, err := decode("f", src, &got)
		if (places == nil) != (err != nil) {
			t.Errorf("got %v and %v", places, err)
		}
	})
}

// TestLargeFiles: the time they take grows with their size, not with its square.
func TestLargeFiles(t *testing.T) {
	const n = 30_000
	var json strings.Builder
	json.WriteString(`{"one":{"tags":{`)
	for i := range n {
		fmt.Fprintf(&json, "\"%d\":\"\",\n", i)
	}
	json.WriteString(`"":""}}}`)
	for name, decode := range map[string]func() error{
		"text": func() error {
			_, err := pbtxt.Decode("f", []byte(strings.Repeat("parts{}\n", n)), &thing{})
			return err
		},
		"json": func() error {
			_, err := pbtxt.DecodeJSON("f", []byte(json.String()), &thing{})
			return err
		},
	} {
		began := time.Now()
		if err := decode(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 20*time.Second { // a square of this many is minutes
			t.Errorf("%s: took %v", name, took)
		}
	}
}
