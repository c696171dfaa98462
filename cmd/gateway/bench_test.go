package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ganglion/internal/loadgen"
)

// echo is a server with a model that takes one number.
func echo(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/models/one":
			_, _ = w.Write([]byte(`{"name":"one","platform":"p","inputs":[{"name":"x","datatype":"FP32","shape":[-1]}],"outputs":[]}`))
		case "/v2/models/one/infer":
			_, _ = w.Write([]byte(`{"model_name":"one","outputs":[]}`))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func benched(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, progress bytes.Buffer
	err = run(context.Background(), append([]string{"bench"}, args...), &out, &progress)
	return out.String(), err
}

func TestBenchDrawsAHistogram(t *testing.T) {
	out, err := benched(t, echo(t), "--model", "one", "--duration", "100ms", "--warmup", "0s")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one at http://", "16 clients", "answers/s", "p99.9", "│█"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestBenchComparesInTurn(t *testing.T) {
	out, err := benched(t, "--model", "one", "--duration", "50ms", "--warmup", "0s", "--rounds", "2", "--against", echo(t), echo(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"medians of 2 rounds in turn", "A/B", "p99", "B is http://"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestBenchJSONIsForScripts(t *testing.T) {
	out, err := benched(t, echo(t), "--model", "one", "--duration", "50ms", "--warmup", "0s", "--json", "-")
	if err != nil {
		t.Fatal(err)
	}
	var results []loadgen.Result
	if err := json.Unmarshal([]byte(out), &results); err != nil || len(results) != 1 || results[0].Answers == 0 {
		t.Errorf("%v in\n%s", err, out)
	}
}

func TestBenchFailsWhenNothingIsAnswered(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/models/one" {
			_, _ = w.Write([]byte(`{"name":"one","platform":"p","inputs":[{"name":"x","datatype":"FP32","shape":[-1]}],"outputs":[]}`))
			return
		}
		http.Error(w, `{"error":"no"}`, http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	out, err := benched(t, "--model", "one", "--duration", "50ms", "--warmup", "0s", s.URL)
	if err == nil || !strings.Contains(err.Error(), "answered not one question") || exitCode(err) != 1 || !strings.Contains(out, "503: no") {
		t.Errorf("got %v after\n%s", err, out)
	}
}

func TestBenchUsageErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"--model is missing":  {"http://x:1"},
		"want one URL":        {"--model", "m"},
		"no size":             {"http://x:1", "--model", "m", "--shape", "a=1xb"},
		"want NAME=AxB":       {"http://x:1", "--model", "m", "--shape", "1x2"},
		"not defined: -nosuc": {"http://x:1", "--nosuch"},
	} {
		if _, err := benched(t, args...); err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != 2 {
			t.Errorf("got %v, want …%s… with exit code 2", err, want)
		}
	}
}
