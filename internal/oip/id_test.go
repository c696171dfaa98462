package oip

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestCutID(t *testing.T) {
	for _, c := range []struct{ in, id, rest string }{
		{`{}`, ``, `{}`},
		{` { } `, ``, ` { } `},
		{`{"a":1}`, ``, `{"a":1}`},
		{`{"id":"x"}`, `"x"`, `{}`},
		{`{"id":""}`, `""`, `{}`},
		{`{"id":"x","a":1}`, `"x"`, `{"a":1}`},
		{`{"a":1,"id":"x"}`, `"x"`, `{"a":1}`},
		{`{"a":1,"id":"x","b":2}`, `"x"`, `{"a":1,"b":2}`},
		{"{ \"a\" : [1, {\"id\":5}] ,\n\"id\" : \"x\" , \"b\" : \"id\" }", `"x"`, "{ \"a\" : [1, {\"id\":5}] ,\n \"b\" : \"id\" }"},
		{`{"id":"a\"\\\u00e9é"}`, `"a\"\\\u00e9é"`, `{}`},
		{`{"inputs":[{"name":"id","id":"no"}],"id":"x"}`, `"x"`, `{"inputs":[{"name":"id","id":"no"}]}`},
		{`{"a":"}],\"id\":","id":"x"}`, `"x"`, `{"a":"}],\"id\":"}`},
		{`{"a":[[[["]"]]]],"b":{"c":{}},"d":-1.5e+3,"e":true,"id":"x"}`, `"x"`, `{"a":[[[["]"]]]],"b":{"c":{}},"d":-1.5e+3,"e":true}`},
	} {
		id, start, end, ok := CutID([]byte(c.in))
		if !ok || string(id) != c.id || c.in[:start]+c.in[end:] != c.rest {
			t.Errorf("CutID(%s) = %s, %d:%d leaves %s, %t; want %s, %s", c.in, id, start, end, c.in[:start]+c.in[end:], ok, c.id, c.rest)
		}
		if (id == nil) != (c.id == "") {
			t.Errorf("CutID(%s): nil is to mean absent", c.in)
		}
	}
	for _, in := range []string{
		``, ` `, `[]`, `null`, `"id"`, `{`, `{"id"`, `{"id":`, `{"id":"x"`, `{"id":"x",`, `{"id":"x",}`, `{,"id":"x"}`, `{"id":"x"}}`, `{"id":"x"} y`,
		`{"id":5}`, `{"id":null}`, `{"id":["x"]}`, `{"id":{}}`, `{"id":true}`,
		`{"id":"x","id":"x"}`, `{"id":"x","a":1,"id":"y"}`, `{"\u0069d":"x"}`, `{"a\n":1,"id":"x"}`,
		`{"id":"\x"}`, `{"id":"\ud800"}`, "{\"id\":\"\xff\"}", "{\"id\":\"a\nb\"}", `{"id":"x}`, `{"a":"x\"}`,
		`{"a":[1}`, `{"a":[}]}`, `{"a":{]}}`, `{"a":[1`, `{"a":["]}`, `{"a":,"id":"x"}`, `{"a" 1}`, `{"a":1 "id":"x"}`, `{a:1}`,
		`{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`, `{"a":` + strings.Repeat("[", 1000000),
	} {
		if id, start, end, ok := CutID([]byte(in)); ok {
			t.Errorf("CutID(%.80s) = %s, %d:%d, want it refused", in, id, start, end)
		}
	}
}

// FuzzCutID: of what is JSON, the id is what encoding/json finds, and what is left is the rest.
func FuzzCutID(f *testing.F) {
	for _, seed := range []string{
		irisBody, `{"id":"x","a":[{"id":1}]}`, `{"a":1,"id":"x"}`, `{ "id" : "\u00e9" }`, `{"a":"\"","id":"x"}`, `{"ID":"x"}`, `{}`,
		`{"Y_y":[_,"],{","Y"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id, start, end, ok := CutID(text)
		if !ok {
			return
		}
		if start < 0 || start > end || end > len(text) || id == nil != (start == end) {
			t.Fatalf("CutID(%q) = %q %d:%d", text, id, start, end)
		}
		if id != nil && !json.Valid(id) {
			t.Fatalf("CutID(%q) takes %q for an id", text, id)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return
		}
		if !bytes.Equal(members["id"], id) {
			t.Fatalf("CutID(%q) finds %q, encoding/json %q", text, id, members["id"])
		}
		delete(members, "id")
		var rest map[string]json.RawMessage
		left := append(bytes.Clone(text[:start]), text[end:]...)
		if err := json.Unmarshal(left, &rest); err != nil || !reflect.DeepEqual(rest, members) {
			t.Fatalf("CutID(%q) leaves %q: %v", text, left, err)
		}
	})
}
