package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// question is one inference to show.
type question struct {
	about  string // what goes in and what comes out
	model  string
	body   string // JSON without a single quote, so that a shell takes it as it is
	output string // whose first string is the answer
	want   string
}

var questions = []question{
	{
		about: "Four measurements of a flower go in, its species comes out:",
		model: "iris",
		body: `{
    "inputs":  [{"name": "measurements", "datatype": "FP32", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}],
    "outputs": [{"name": "species"}]}`,
		output: "species", want: "setosa",
	},
	{
		about: "A sentence goes in, its language comes out:",
		model: "language_id",
		body: `{
    "inputs":  [{"name": "bytes", "datatype": "BYTES", "shape": [1], "data": ["Guten Morgen, wo ist der Bahnhof?"]}],
    "outputs": [{"name": "language"}]}`,
		output: "language", want: "German",
	},
}

// curl is the question as a command to paste.
func (q question) curl(url string) string {
	return "curl -s " + q.url(url) + " -d '" + q.body + "'"
}

func (q question) url(base string) string { return base + "/v2/models/" + q.model + "/infer" }

// ask sends the question. raw is the answer's body, said the one string in it that matters.
func (q question) ask(ctx context.Context, base string) (raw, said string, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.url(base), strings.NewReader(q.body))
	if err != nil {
		return "", "", 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // no idle connection is to hold up the end
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	took = time.Since(began)
	if err != nil {
		return "", "", took, err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", took, fmt.Errorf("%s: got %s: %s", q.model, resp.Status, body)
	}
	said, err = q.read(body)
	return string(body), said, took, err
}

// read finds the answer in body.
func (q question) read(body []byte) (string, error) {
	var answer struct {
		Outputs []struct {
			Name string
			Data []any
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("%s: the answer is no JSON: %w", q.model, err)
	}
	for _, out := range answer.Outputs {
		if out.Name == q.output && len(out.Data) == 1 {
			if said := fmt.Sprint(out.Data[0]); said != q.want {
				return "", fmt.Errorf("%s: answered %q, want %q", q.model, said, q.want)
			}
			return q.want, nil
		}
	}
	return "", fmt.Errorf("%s: no output %q in %s", q.model, q.output, body)
}
