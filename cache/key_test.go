package cache

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
)

func TestKeyTellsFieldsApart(t *testing.T) {
	lists := [][]string{
		{},
		{""},
		{"", ""},
		{"ab"},
		{"a", "b"},
		{"b", "a"},
		{"", "ab"},
		{"ab", ""},
		{"a", "b", ""},
		{"\x01\x00\x00\x00\x00\x00\x00\x00a"},
		{"a\x01\x00\x00\x00\x00\x00\x00\x00b"},
	}
	seen := make(map[Key][]string)
	for _, list := range lists {
		var fields [][]byte
		for _, f := range list {
			fields = append(fields, []byte(f))
		}
		k := NewKey(fields...)
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q have the same key", list, other)
		}
		seen[k] = list
	}
}

func TestKeyIsTheSameInEveryProcess(t *testing.T) {
	// A second cache tier, or a recorded decision, relies on it. printf '\2\0\0\0\0\0\0\0hi' | sha256sum
	const want = "ea3157669b71381037d848d081f57ddf3de78a3266a0c54321ef9df27413c7c7"
	if k := NewKey([]byte("hi")); hex.EncodeToString(k[:]) != want {
		t.Errorf("got %x, want %s", k, want)
	}
}

// FuzzKeyInjective cuts one text in two ways: other cuts are other questions.
func FuzzKeyInjective(f *testing.F) {
	f.Add([]byte("resnet50input"), uint(8), uint(3))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 'a'}, uint(0), uint(8))
	f.Add([]byte{}, uint(0), uint(0))
	f.Fuzz(func(t *testing.T, text []byte, a, b uint) {
		cutA, cutB := cut(text, a), cut(text, b)
		same := slices.EqualFunc(cutA, cutB, bytes.Equal)
		if keyA, keyB := NewKey(cutA...), NewKey(cutB...); (keyA == keyB) != same {
			t.Errorf("keys of %q and %q: equal = %t, want %t", cutA, cutB, keyA == keyB, same)
		}
	})
}

// cut splits the text at the bits of where that are set, up to its first 64 bytes.
func cut(text []byte, where uint) [][]byte {
	var fields [][]byte
	start := 0
	for i := range min(len(text), 64) {
		if where>>i&1 == 1 {
			fields = append(fields, text[start:i])
			start = i
		}
	}
	return append(fields, text[start:])
}
