package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// verdict is how a model did.
type verdict string

const (
	matches   verdict = "matches"
	differs   verdict = "differs"    // it answered something else than the vectors
	refused   verdict = "refused"    // it answered an error
	notLoaded verdict = "not loaded" // the node could not or would not load it
	broken    verdict = "broken"     // the vectors cannot be sent, or what came back cannot be read
)

// result is how one model did, and why it does not match.
type result struct {
	Model   string  `json:"model"`
	Verdict verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
}

// report prints those that do not match, and the counts.
func report(results []result) {
	counts := map[verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		if r.Verdict != matches {
			fmt.Printf("%-62s %-10s %s\n", r.Model, r.Verdict, r.Reason)
		}
	}
	fmt.Printf("%d models: %d match over JSON and binary, %d not loaded, %d refused, %d differ, %d broken\n",
		len(results), counts[matches], counts[notLoaded], counts[refused], counts[differs], counts[broken])
}

// writeKnown writes the list of those that do not match. The reason of one that was listed as just that stays: somebody has
// looked at it.
func writeKnown(path string, results []result) error {
	listed, err := readKnown(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var b strings.Builder
	b.WriteString("# Models that do not match, how, and why. conformance -update adds to it; look into each line before keeping it.\n# A verdict with a question mark depends on the host or on chance: matching is as good.\n")
	for _, r := range results {
		if r.Verdict == matches {
			continue
		}
		if old := listed[r.Model]; strings.TrimSuffix(string(old.Verdict), "?") == string(r.Verdict) {
			r = old
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\n", r.Model, r.Verdict, r.Reason)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// compareKnown says which models did not do as the list has it.
func compareKnown(path string, results []result) error {
	listed, err := readKnown(path)
	if err != nil {
		return err
	}
	var changed []string
	for _, r := range results {
		want := matches
		if old, found := listed[r.Model]; found {
			want = old.Verdict
		}
		if either, depends := strings.CutSuffix(string(want), "?"); depends && (r.Verdict == matches || string(r.Verdict) == either) {
			continue
		}
		if r.Verdict != want {
			changed = append(changed, fmt.Sprintf("%s: %s (%s), but %s says: %s", r.Model, r.Verdict, r.Reason, path, want))
		}
	}
	if len(changed) > 0 {
		slices.Sort(changed)
		return errors.New(strings.Join(changed, "\n"))
	}
	return nil
}

func readKnown(path string) (map[string]result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	listed := map[string]result{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := lines.Text(); line != "" && line[0] != '#' {
			fields := strings.SplitN(line, "\t", 3)
			if len(fields) < 3 {
				return nil, fmt.Errorf("%s: want model, verdict and reason with tabs between them: %q", path, line)
			}
			listed[fields[0]] = result{fields[0], verdict(fields[1]), fields[2]}
		}
	}
	return listed, lines.Err()
}
