package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTablesGoBetweenTheMarks(t *testing.T) {
	begin, end := marks("bench")
	path := filepath.Join(t.TempDir(), "figures.md")
	if err := WriteBetween(path, "bench", "x"); err == nil {
		t.Error("wrote a file that is not there")
	}
	for before, want := range map[string]string{
		"head\n" + begin + "\nold\n" + end + "\ntail\n": "head\n" + begin + "\n\nnew\n\n" + end + "\ntail\n",
		"no marks":                         "",
		begin + " but no end":              "",
		end + " before the other " + begin: "",
	} {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		err := WriteBetween(path, "bench", "new\n")
		after, _ := os.ReadFile(path)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), begin) || string(after) != before {
				t.Errorf("%q: %v, and it is %q", before, err, after)
			}
		} else if err != nil || string(after) != want {
			t.Errorf("%q: %v, and it is %q", before, err, after)
		}
	}
}
