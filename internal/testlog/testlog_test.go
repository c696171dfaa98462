package testlog

import (
	"io"
	"slices"
	"testing"
)

func TestLinesAreWhole(t *testing.T) {
	var l Log
	for _, c := range []struct {
		written string
		want    []string
	}{{"", nil}, {"a", nil}, {"b\n", []string{"ab"}}, {"\nc", []string{"ab", ""}}, {"d\n", []string{"ab", "", "cd"}}} {
		if _, err := io.WriteString(&l, c.written); err != nil {
			t.Fatal(err)
		}
		if got := l.Lines(); !slices.Equal(got, c.want) {
			t.Errorf("after %q: %q, want %q", c.written, got, c.want)
		}
	}
	if got := l.String(); got != "ab\n\ncd\n" {
		t.Errorf("got %q", got)
	}
}
