package conf

import (
	"maps"
	"slices"
	"testing"
)

func TestLinesOfKeys(t *testing.T) {
	src := "\xef\xbb\xbf" + `# a comment = [
top = 1
a.b . "c d" = 2        # dotted, spaced, quoted

[ t . 'u' ]  # header
s1 = """
[not.a.header]
k = "still \""" text \
"""
s2 = '''
x = 1 ''''
[t]
after = 1
[[arr]]
x = { y = 1, z = [ 1,
  { w = 2 }, "]", '}' ] }
[[arr]]
x = [
  # comment ]
  [1, 2],

  { k = 1
    , l = 2, },
]
[arr.sub]
q = "\u00e9\e\x41"
"\u00e9\e\x41" = 1
[[arr.in]]
m = 1
[[arr.in]]
m = 2
`
	want := map[string]int{
		"top": 2, "a": 3, "a.b": 3, `a.b."c d"`: 3,
		"t.u": 5, "t.u.s1": 6, "t.u.s2": 10, "t": 12, "t.after": 13,
		"arr": 14, "arr[0]": 14, "arr[0].x": 15, "arr[0].x.y": 15, "arr[0].x.z": 15, "arr[0].x.z[0]": 15,
		"arr[0].x.z[1]": 16, "arr[0].x.z[1].w": 16, "arr[0].x.z[2]": 16, "arr[0].x.z[3]": 16,
		"arr[1]": 17, "arr[1].x": 18, "arr[1].x[0]": 20, "arr[1].x[0][0]": 20, "arr[1].x[0][1]": 20,
		"arr[1].x[1]": 22, "arr[1].x[1].k": 22, "arr[1].x[1].l": 23,
		"arr[1].sub": 25, "arr[1].sub.q": 26, `arr[1].sub."é\x1bA"`: 27,
		"arr[1].in": 28, "arr[1].in[0]": 28, "arr[1].in[0].m": 29, "arr[1].in[1]": 30, "arr[1].in[1].m": 31,
	}
	got, complaint, _ := indexLines([]byte(src))
	if complaint != "" {
		t.Fatal(complaint)
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			t.Errorf("%s: got line %d, want %d", path, got[path], want[path])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d paths, want %d: %v", len(got), len(want), got)
	}
	if _, _, p := parse("f", []byte(src)); p != nil {
		t.Errorf("the example itself is wrong: %v", p)
	}
}

func TestNearestLine(t *testing.T) {
	x := lineIndex{"a": 1, `a."x.y"`: 2, `a."x.y"[0]`: 3}
	f := func(path string, want int) {
		t.Helper()
		if got := x.line(path); got != want {
			t.Errorf("line(%s) = %d, want %d", path, got, want)
		}
	}
	f("a", 1)
	f("a.b.c", 1)
	f(`a."x.y"`, 2)
	f(`a."x.y".z`, 2)
	f(`a."x.y"[0].z`, 3)
	f(`a."x.y"[1]`, 2)
	f(`a."q\"[.w"`, 1)
	f("b", 0)
	f("", 0)
}
