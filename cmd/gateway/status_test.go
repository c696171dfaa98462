package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"ganglion/gateway"
	"ganglion/internal/testnode"
)

// Who waits at the gateway is said where somebody does, and what has become of those before.
func TestStatusShowsWhoWaits(t *testing.T) {
	n := testnode.Start(t)
	g := runGateway(t, fmt.Sprintf("[pools.main]\nmax_inflight = 1\nnodes = [{ address = %q }]\nqueue = { max = 3, timeout = \"1h\" }\n[routes.\"*\"]\npool = \"main\"\ntimeout = \"1h\"\n", n.Address()))
	state := func() (text string, q gateway.QueueStatus) {
		text, _, err := call(t, "status", "--config", g.file)
		out, _, jsonErr := call(t, "status", "--config", g.file, "--json")
		var st gateway.Status
		if err != nil || jsonErr != nil || json.Unmarshal([]byte(out), &st) != nil {
			t.Fatal(err, jsonErr, out)
		}
		return text, st.Pools[0].Queue
	}
	if text, _ := state(); strings.Contains(text, "queue:") {
		t.Errorf("nobody has waited yet:\n%s", text)
	}
	release := n.Hang()
	defer release()
	answers := make(chan int, 5)
	ask := func(priority string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/v2/models/m/infer", strings.NewReader(`{"inputs":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-Priority", priority)
		go func() {
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				answers <- 0
				return
			}
			resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	ask("5")
	waitFor(t, func() bool { return n.Requests() == 1 })
	for i, priority := range []string{"1", "9", "9"} {
		ask(priority)
		waitFor(t, func() bool { _, q := state(); return q.Waiting == int64(i+1) })
	}
	text, q := state()
	for _, want := range []string{
		`(?m)^  queue: 3 of at most 3 wait \(priority 1: 1, priority 9: 2\), the longest for [0-9.]+.?s; .*3 have had to wait$`,
		`(?m)^  ` + regexp.QuoteMeta(n.Address()) + ` .* 1 of 1 `,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if q.ByPriority[1] != 1 || q.ByPriority[9] != 2 || len(q.ByPriority) != 2 || q.Longest <= 0 {
		t.Errorf("as JSON: %+v", q)
	}
	ask("9")
	if status := <-answers; status != http.StatusServiceUnavailable {
		t.Errorf("one too many was answered %d", status)
	}
	release()
	for range 4 {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	}
	if text, _ := state(); !regexp.MustCompile(`(?m)^  queue: 0 of at most 3 wait; 3 have had to wait, refused: queue_full: 1$`).MatchString(text) {
		t.Errorf("afterwards:\n%s", text)
	}
}
