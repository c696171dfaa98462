package main

import (
	"strings"
	"testing"
)

// TestRunPrintsEveryPolicyBesideTheGoals does a few short rounds.
func TestRunPrintsEveryPolicyBesideTheGoals(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"--rounds", "10", "--only", "least"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"least_connections  16 ", "least_load         1000 ", " 100: ", " 300: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "round_robin") {
		t.Errorf("measures what was not asked for:\n%s", out.String())
	}
	if err := run([]string{"--rounds", "1"}, &out); err == nil {
		t.Error("too few rounds are accepted")
	}
}
