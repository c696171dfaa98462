package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/gateway"
)

// adminPort answers as a gateway's admin port would, and tells what it was asked.
func adminPort(t *testing.T, status int, answer string) (address string, asked *string) {
	t.Helper()
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = r.Method + " " + r.URL.String() + " " + string(body)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(func() {
		server.Close()
	})
	return strings.TrimPrefix(server.URL, "http://"), asked
}

func TestExplainOfAFile(t *testing.T) {
	file := write(t, good)
	stdout, stderr, err := call(t, "explain", "--model", "resnet50", "--offline", "--config", file)
	if err != nil || stderr != "" {
		t.Fatal(stderr, err)
	}
	for _, want := range []string{"route    *\n", "stable (100 %)", "main, policy least_load", "→  10.0.0.1:9000", "state of all models together that this pool does not know by name\n", "not probed yet", "only a running gateway knows"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the explanation lacks %q:\n%s", want, stdout)
		}
	}
	stdout, _, err = call(t, "explain", "--model", "resnet50", "--offline", "--config", file, "--json")
	var e gateway.Explanation
	if err != nil || json.Unmarshal([]byte(stdout), &e) != nil || e.Picked != "10.0.0.1:9000" || e.Live {
		t.Errorf("%v: %s", err, stdout)
	}
}

func TestExplainOfARunningGateway(t *testing.T) {
	score := 2.5
	told, err := json.Marshal(gateway.Explanation{
		Model: "m", Live: true, Route: "m", Outcome: "sent to b:1", Variant: &gateway.ExplainedVariant{Name: "canary", Version: "2", Percent: 5, Why: "by weight"},
		Cache: &gateway.ExplainedCache{Use: "miss", Key: "ab12"},
		Pool: &gateway.ExplainedPool{Name: "main", Policy: "least_load", State: "model \"m\"", Key: "ff", Candidates: []gateway.ExplainedNode{
			{Address: "a:1", Weight: 1, Standing: "down", Why: []string{"down: connection refused"}},
			{Address: "b:1", Weight: 1, Standing: "sound", In: true, Picked: true, Score: &score, Unit: "requests", Parts: []string{"in flight 1", "done 0.50"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	address, asked := adminPort(t, 200, string(told))
	body := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(body, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := call(t, "explain", "--model", "m", "--header", "X-User: ann", "--key", "k", "--body", body, "--admin", address)
	if err != nil {
		t.Fatal(err)
	}
	if want := `POST /explain {"model":"m","headers":["X-User: ann"],"key":"k","body":"e30="}`; *asked != want {
		t.Errorf("asked %s, want %s", *asked, want)
	}
	for _, want := range []string{"canary, version 2 (5 %): by weight", "key ab12", "×  a:1", "connection refused", "→  b:1", "2.50 requests", "in flight 1, done 0.50", "key 0xff"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the explanation lacks %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "only a running gateway") {
		t.Errorf("a running gateway does not know all:\n%s", stdout)
	}
}

func TestDecisionsCommandLine(t *testing.T) {
	refusing, _ := adminPort(t, 409, `{"error":"a recording is under way"}`)
	strange, _ := adminPort(t, 502, `<html>`)
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"explain", "--model is missing", 2},
		{"explain --model m --admin a:1 --offline", "either", 2},
		{"explain --model m x", "unexpected argument", 2},
		{"explain --model m --offline --config nowhere.toml", "nowhere.toml", 1},
		{"explain --model m --admin 127.0.0.1:1", "no gateway answers", 1},
		{"explain --model m --admin " + strange, "502", 1},
		{"record --for 1h", "up to 10m", 2},
		{"record x", "unexpected argument", 2},
		{"record --admin " + refusing, "under way", 1},
		{"replay", "one FILE", 2},
		{"replay --policy best x", "accepted are round_robin", 2},
		{"replay nowhere.jsonl", "nowhere.jsonl", 1},
	} {
		if _, _, err := call(t, strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != c.code {
			t.Errorf("%q: %v, want %q and exit code %d", c.args, err, c.want, c.code)
		}
	}
	for command, text := range map[string]string{"explain": explainUsage, "record": recordUsage, "replay": replayUsage} {
		if stdout, _, err := call(t, command, "--help"); err != nil || stdout != text {
			t.Errorf("%s --help: %q, %v", command, stdout, err)
		}
	}
}

func TestRecordAndReplay(t *testing.T) {
	const trace = `{"trace":1,"pools":[{"name":"main","policy":"round_robin","nodes":[{"address":"a:1","weight":1},{"address":"b:1","weight":1}]}]}
{"t":0.1,"pool":"main","model":"m","attempt":1,"candidates":2,"node":"a:1","ahead":1,"end":"success","took":0.01}
{"t":0.2,"pool":"main","model":"m","attempt":1,"candidates":2,"node":"b:1","ahead":1,"end":"success","took":0.01}
{"done":true,"seconds":1,"decisions":2,"dropped":3}
`
	address, asked := adminPort(t, 200, trace)
	stdout, _, err := call(t, "record", "--for", "3s", "--pool", "main", "--admin", address)
	if err != nil || stdout != trace || *asked != "POST /record?for=3s&pool=main " {
		t.Errorf("%v: asked %q, printed %q", err, *asked, stdout)
	}
	file := filepath.Join(t.TempDir(), "trace.jsonl")
	if err := os.WriteFile(file, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := call(t, "replay", "--policy", "least_load", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 attempts", "round_robin, recorded", "round_robin, replayed", "least_load", "b:1", "share"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the comparison lacks %q:\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "3 decisions were dropped") {
		t.Errorf("stderr: %q", stderr)
	}
	if stdout, _, err = call(t, "replay", file, "--json"); err != nil || !json.Valid([]byte(stdout)) || !strings.Contains(stdout, `"peak_ewma"`) {
		t.Errorf("%v: %s", err, stdout)
	}
}

// TestExplainFallsBackToTheFile when no gateway answers where the file has it, and says so.
func TestExplainFallsBackToTheFile(t *testing.T) {
	file := write(t, "[server]\nadmin = \"127.0.0.1:1\"\n"+good)
	stdout, stderr, err := call(t, "explain", "--model", "m", "--config", file)
	if err != nil || !strings.Contains(stderr, "no gateway answers") || !strings.Contains(stdout, "only a running gateway knows") {
		t.Errorf("%v, %q:\n%s", err, stderr, stdout)
	}
}
