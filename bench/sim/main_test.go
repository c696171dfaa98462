package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// simulate runs the command and returns what it printed, its JSON and its plot.
func simulate(t *testing.T, args ...string) (table, figures, plot string) {
	t.Helper()
	dir := t.TempDir()
	var out strings.Builder
	args = append(args, "--json", filepath.Join(dir, "out.json"), "--svg", filepath.Join(dir, "out.svg"))
	if err := run(args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	j, err := os.ReadFile(filepath.Join(dir, "out.json"))
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "out.svg"))
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), string(j), string(svg)
}

// TestSameSeedSameFigures byte for byte, and another seed gives others.
func TestSameSeedSameFigures(t *testing.T) {
	table, figures, plot := simulate(t, "--scale", "0.03", "--only", "churn, 8 × 8")
	table2, figures2, plot2 := simulate(t, "--scale", "0.03", "--only", "churn, 8 × 8")
	if table != table2 || figures != figures2 || plot != plot2 {
		t.Errorf("two runs with the same seed differ:\n%s\n%s", table, table2)
	}
	if _, other, _ := simulate(t, "--scale", "0.03", "--only", "churn, 8 × 8", "--seed", "2"); other == figures {
		t.Error("two seeds give the same figures")
	}
}

func TestRunPrintsAllPoliciesBesideTheIdeal(t *testing.T) {
	table, figures, plot := simulate(t, "--scale", "0.005", "--only", "1 × 8")
	for _, want := range append([]string{ideal, "slow, 1 × 8", "goals met"}, policies...) {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	var got report
	if err := json.Unmarshal([]byte(figures), &got); err != nil {
		t.Fatal(err)
	}
	for _, r := range got.Results {
		if r.P50 <= 0 || r.P99 < r.P50 || r.Over99 <= 0 || r.Requests == 0 {
			t.Errorf("result %+v", r)
		}
		if r.Policy == ideal && (r.Over50 != 1 || r.Over99 != 1) {
			t.Errorf("the ideal is not itself: %+v", r)
		}
	}
	if !strings.HasPrefix(plot, "<svg ") || !strings.HasSuffix(plot, "</svg>\n") || !strings.Contains(plot, "slow, 1 × 8") {
		t.Errorf("plot:\n%s", plot)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--scale 0", "accepted is more than 0"},
		{"--scale NaN", "accepted is more than 0"},
		{"--policies best", "accepted are round_robin"},
		{"--only nothing", "no scenario"},
		{"--declines 5", "accepted are 0 to 4"},
		{"now", "only flags"},
	} {
		if err := run(strings.Fields(c.args), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}
