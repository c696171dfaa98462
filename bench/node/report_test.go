//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestVerdicts: what meets a goal, of which kind it is.
func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		value, goal float64
		atLeast     bool
		want        string
	}{
		{24.9, 25, false, "yes"},
		{25, 25, false, "yes"},
		{25.1, 25, false, "no"},
		{0.94, 0.95, true, "no"},
		{0.95, 0.95, true, "yes"},
		{1.2, 0.95, true, "yes"},
		{1.2, 0, false, ""},
	} {
		r := row{value: test.value, goal: test.goal, atLeast: test.atLeast}
		if _, got := r.verdict(); got != test.want {
			t.Errorf("%+v: met %q, want %q", test, got, test.want)
		}
	}
	var out bytes.Buffer
	r := report{rows: []row{{name: "x", value: 1, format: "%.1f", goal: 2}, {name: "longer", value: 0.5, format: "%.2f", goal: 0.95, atLeast: true}}}
	r.print(&out)
	for _, line := range []string{"x             1.0  at most 2      yes", "longer       0.50  at least 0.95  no"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the table lacks %q:\n%s", line, &out)
		}
	}
}

// TestParseAnswers: an answer is taken when all of it is there, in however many parts it comes.
func TestParseAnswers(t *testing.T) {
	p := &poller{}
	text := []byte("HTTP/1.1 200 OK\r\nServer-Timing: queue;dur=0.250, input;dur=0, infer;dur=1.5, output;dur=0\r\nContent-Length: 3\r\n\r\nabc")
	for end := range text {
		if whole, err := p.parse(text[:end]); whole || err != nil {
			t.Fatalf("after %d bytes: %v, %v", end, whole, err)
		}
	}
	if whole, err := p.parse(text); !whole || err != nil {
		t.Fatalf("%v, %v", whole, err)
	}
	if p.seen.queue[0] != 250*time.Microsecond || p.seen.infer[0] != 1500*time.Microsecond {
		t.Errorf("got %v and %v", p.seen.queue, p.seen.infer)
	}
	if _, err := p.parse([]byte("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("a refusal: got %v", err)
	}
	if _, err := p.parse([]byte("HTTP/1.1 200 OK\r\n\r\n")); err == nil {
		t.Error("an answer without a length is taken")
	}
}
