package conf

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var fuzzSeeds = []string{
	"", "a=1", "[a]\nb=1", "[[a]]\n[[a]]\nb.c=[{d=1},{e={}}]", "a = \"\"\"\n\\\n \"\"\"\"\"\nb=1", "a='''x''''\n",
	"[pools.main]\nnodes=[{address='a',weight=2},]\n", "\"\\u0041.\\x41\\e\"=1", "a=[[[[1]]]]", "a={b={c={}}}",
	"[server]\nhttp=\"${X:-${Y}}\"\ntimeout=5\nmax_body='9KiB'", "a=[\n#]\n1,\n2]\r\nb=1", "[a.b]\n[a]\n", "x=2026-01-01 00:00:00Z\n",
	"[[a.b]]\n[a.b.c]\n[[a.b]]\n[a.b.c]\nx=1", "a.b=1\na.c={d=[{e=1}]}",
}

// fragments make documents that are valid far more often than random bytes are.
var fragments = []string{
	"a", "b", "c.d", "'q'", `"q.\""`, "\n", "\r\n", " ", "\t", "# c [\n", "=", "= 1\n", "= [", "= {", "]", "}", ",", ",\n",
	"[a]\n", "[a.b]\n", "[[a]]\n", "[[a.b]]\n", "[[c]]\n", "[", "[[", "]]", "'''", `"""`, `"`, "'", `\`, "1", "-1.5e3", "true",
	"2026-01-01", `"s"`, "'s'", "{}", "[]", "{a=1}", "a=1,", "b=[{c=1}]", "'''x''''", `"""y"""""`, "\\\n  ", "a = 1\n",
	"b = [1,\n2]\n", "c = {a = 1,\n b = 2}\n",
}

func assemble(seed []byte) []byte {
	var out []byte
	for _, b := range seed {
		out = append(out, fragments[int(b)%len(fragments)]...)
	}
	return out
}

// FuzzDecode holds that no input panics, and that every message names a place inside the file.
func FuzzDecode(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		_, err := Decode("f.toml", src, &edge{})
		if err == nil {
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("got %T %v, want Problems", err, err)
		}
		lines := strings.Count(string(src), "\n") + 1
		for i, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Msg == "" || i > 0 && p.Line < problems[i-1].Line {
				t.Fatalf("problem %d of a file of %d lines: %+v", i, lines, p)
			}
		}
	})
}

// FuzzIndexAgreesWithParser holds that in a valid document every key and element the parser sees has a line, and that
// the index has no others: the two readers have understood the same thing.
func FuzzIndexAgreesWithParser(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Add([]byte("\x12\x2d\x14\x2e\x14\x2f"))
	f.Add([]byte("\x00\x0a\x2b\x05\x01\x0c\x27\x10\x09\x26\x0e"))
	f.Fuzz(func(t *testing.T, seed []byte) {
		agree(t, seed)
		agree(t, assemble(seed))
	})
}

func agree(t *testing.T, src []byte) {
	t.Helper()
	tree, where, problem := parse("f.toml", src)
	if problem != nil {
		return
	}
	seen := make(map[string]bool)
	collect("", tree, seen)
	for path := range seen {
		if where[path] == 0 {
			t.Errorf("%s has no line in %q; index %v", path, src, where)
		}
	}
	for path := range where {
		if !seen[path] {
			t.Errorf("%s is indexed but not there in %q; tree %v", path, src, tree)
		}
	}
}

func collect(path string, value any, seen map[string]bool) {
	if path != "" {
		seen[path] = true
	}
	if table, ok := value.(map[string]any); ok {
		for k, v := range table {
			collect(join(path, Quote(k)), v, seen)
		}
	}
	if elements, ok := elementsOf(value); ok {
		for i, v := range elements {
			collect(element(path, i), v, seen)
		}
	}
}

func ExampleDecode() {
	var c struct {
		Server struct {
			HTTP string `toml:"http"`
		} `toml:"server"`
	}
	_, err := Decode("gateway.toml", []byte("[server]\nhtpp = \":8080\"\n"), &c)
	fmt.Println(err)
	// Output: gateway.toml:2: server.htpp: unknown key; did you mean "http"?
}
