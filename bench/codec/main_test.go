package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunPrintsGoalsAndWritesEveryMeasurement does one short round.
func TestRunPrintsGoalsAndWritesEveryMeasurement(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.json")
	var out strings.Builder
	if err := run([]string{"--rounds", "2", "--duration", "1ms", "--only", "write 150", "--json", file}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "4 × encoding/json") || strings.Contains(out.String(), "read a binary") {
		t.Errorf("prints\n%s", out.String())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Results []result }
	if err := json.Unmarshal(b, &got); err != nil || len(got.Results) != 1 {
		t.Fatalf("%d results, %v", len(got.Results), err)
	}
	if r := got.Results[0]; len(r.Ours) != 2 || len(r.Theirs) != 2 || len(r.Ratio) != 2 || r.Ratio[0] <= 0 || r.Ours[0] <= 0 {
		t.Errorf("result %+v", r)
	}
	if err := run([]string{"--rounds", "0"}, &out); err == nil {
		t.Error("no rounds are accepted")
	}
}
