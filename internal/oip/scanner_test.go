package oip

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// scan reads text as one JSON value of any kind.
func scan(text []byte) error {
	s := scanner{buf: text}
	if err := s.skip(); err != nil {
		return err
	}
	return s.end()
}

func TestScannerAcceptsJSON(t *testing.T) {
	for _, text := range []string{
		"null", "true", "false", "0", "-0", "1", "-1.5e+10", "1E5", "1e-5", `""`, `"a"`, "[]", "{}", "[1,2]", `{"a":1}`,
		" \t\r\n[ 1 , 2 ] \n", `{"a":{"b":[{"c":null}]}}`, `"\"\\\/\b\f\n\r\t\u00e9"`, `"\ud83d\ude00"`, `"é😀"`,
		"123456789012345678901234567890", "0.00000000000000000000000000001", `"` + strings.Repeat("x", 100) + `"`,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	} {
		if err := scan([]byte(text)); err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
}

func TestScannerRefusesWhatIsNotJSON(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "input ends",
		" ":                       "input ends",
		"nul":                     "expected a value",
		"nullx":                   "expected the end",
		"tru":                     "expected a value",
		"True":                    "expected a value",
		"NaN":                     "expected a value",
		"Infinity":                "expected a value",
		"-Infinity":               "expected a digit",
		"+1":                      "expected a value",
		".5":                      "expected a value",
		"5.":                      "expected a digit after the decimal point",
		"5.e1":                    "expected a digit after the decimal point",
		"1e":                      "expected a digit of an exponent",
		"1e+":                     "expected a digit of an exponent",
		"01":                      "leading zero",
		"-01":                     "leading zero",
		"00":                      "leading zero",
		"-":                       "expected a digit",
		"0x10":                    "expected the end",
		"1_000":                   "expected the end",
		"1 2":                     "expected the end",
		"[1,]":                    "expected a value",
		"[,1]":                    "expected a value",
		"[1 2]":                   "expected ',' or ']'",
		"[1":                      "expected ',' or ']'",
		"[":                       "expected a value",
		"]":                       "expected a value",
		`{"a":1,}`:                "expected a member name",
		`{,}`:                     "expected a member name",
		`{"a"}`:                   "expected ':'",
		`{"a":}`:                  "expected a value",
		`{"a":1 "b":2}`:           "expected ',' or '}'",
		`{a:1}`:                   "expected a member name",
		`{"a":1`:                  "expected ',' or '}'",
		`"a`:                      "inside a string",
		`"a\`:                     "inside a string",
		`"\x"`:                    "bad escape",
		`"\u12"`:                  "bad escape",
		`"\u12g4"`:                "bad escape",
		`"\ud800"`:                "bad escape",
		`"\udc00\ud800"`:          "bad escape",
		`"\ud800x"`:               "bad escape",
		`"\ud800\n"`:              "bad escape",
		"\"a\nb\"":                "control character 0x0a",
		"\"\x00\"":                "control character 0x00",
		"\"12345678\x1f2345678\"": "control character 0x1f",
		"\"\xff\"":                "not valid UTF-8",
		"\"\xc3\"":                "not valid UTF-8",
		"\"\xed\xa0\x80\"":        "not valid UTF-8",
		"'a'":                     "expected a value",
		"[1]//":                   "expected the end",
		"\ufeff1":                 "expected a value",
		"1\x00":                   "expected the end",
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1): "nested deeper than 32",
		strings.Repeat(`{"a":`, maxDepth+1) + "1":                         "nested deeper than 32",
		strings.Repeat("[", 2_000_000):                                    "nested deeper than 32",
	} {
		err := scan([]byte(text))
		if err == nil {
			t.Errorf("%.60q is accepted", text)
		} else if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "invalid JSON at byte ") {
			t.Errorf("%.60q is refused with %q, want %q in it", text, err, want)
		}
	}
}

// FuzzScanner holds the scanner against encoding/json: it accepts the same, but for depth and for strings that are not
// whole characters, of which encoding/json silently makes U+FFFD.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e-3,true,null,"\u00e9\ud83d\ude00"]}`, irisBody, "[[[]]]", `"\ud800"`, "-0.0e-0", "[1,]", "\"\xff\"", "1e400",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := scan(text)
		if err == nil != json.Valid(text) && !oursToRefuse(text) {
			t.Fatalf("%q: scanner says %v, encoding/json says %t", text, err, json.Valid(text))
		}
		if err == nil {
			checkStringsAgree(t, text)
		}
	})
}

// oursToRefuse reports whether text has something that the scanner refuses and encoding/json does not mind.
func oursToRefuse(text []byte) bool {
	return !utf8.Valid(text) || bytes.Count(text, []byte("[")) > maxDepth || bytes.Count(text, []byte("{")) > maxDepth ||
		bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxDepth || bytes.Contains(bytes.ToLower(text), []byte(`\ud`))
}

// checkStringsAgree compares what a string spells.
func checkStringsAgree(t *testing.T, text []byte) {
	t.Helper()
	var want string
	if json.Unmarshal(text, &want) != nil || bytes.TrimSpace(text)[0] != '"' {
		return
	}
	s := scanner{buf: text}
	got, err := s.str()
	if err != nil || string(got) != want {
		t.Fatalf("%q spells %q %v, want %q", text, got, err, want)
	}
	again := AppendJSONString(nil, got)
	var back string
	if err := json.Unmarshal(again, &back); err != nil || back != want {
		t.Fatalf("%q is written %q, which spells %q %v", want, again, back, err)
	}
}

func TestStringsAreWrittenAsJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":                     `""`,
		"plain":                `"plain"`,
		"a\"b\\c":              `"a\"b\\c"`,
		"\n\r\t\x00\x1f\x7f":   "\"\\n\\r\\t\\u0000\\u001f\x7f\"",
		"é😀\u2028":             "\"é😀\u2028\"",
		"ab\xffcd":             "\"ab\ufffdcd\"",
		"12345678\"12345678":   `"12345678\"12345678"`,
		"</script>&":           `"</script>&"`,
		"\xed\xa0\x80":         "\"\ufffd\ufffd\ufffd\"",
		"long enough, then é ": `"long enough, then é "`,
	} {
		if got := AppendJSONString(nil, in); string(got) != want {
			t.Errorf("AppendJSONString(%q) = %s, want %s", in, got, want)
		}
		if got := AppendJSONString([]byte("x"), []byte(in)); string(got) != "x"+want {
			t.Errorf("AppendJSONString(x, %q) = %s, want x%s", in, got, want)
		}
	}
}
