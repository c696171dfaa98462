//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func TestReportSaysWhatWasMissedAndWhatWasLeftOut(t *testing.T) {
	r := &report{
		Rows: []row{
			{Name: "kill", What: "one dies", Carrier: "hop", figures: figures{Requests: 10}},
			{Name: "outage", What: "all die", Carrier: "hop", figures: figures{Requests: 10, Failed: 3, Refused: 2, Unrefused: 1, RefusedMost: 2 * time.Second, Extra: 0.2}},
		},
		Skipped: []skipped{{"loss", "hop", "no iptables"}},
	}
	all := faults()
	for i := range r.Rows {
		for j := range all {
			if all[j].name == r.Rows[i].Name {
				r.Rows[i].Goals = goalsOf(&all[j], &r.Rows[i].figures)
			}
		}
	}
	text := r.text()
	for _, want := range []string{
		"| *kill*: one dies | 10 | 0 |", "**missed 3 of 5**", "3, of them 2 × 503", "3 of 6 goals are met",
		"missed: outage over hop: each 503 within 1s: 2s", "Skipped: loss over hop: no iptables.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--only kill,flood":   `"flood": accepted are kill, freeze`,
		"--carrier pigeon":    `"pigeon": accepted are hop, http, grpc`,
		"--rate -1":           "0 to 50000 are accepted",
		"--quick now":         `unexpected argument "now"`,
		"--only kill --quick": "",
	} {
		_, err := parse(strings.Fields(args), new(strings.Builder))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want …%s…", args, err, want)
		}
	}
}
