package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reply is what a client gets to see.
type reply struct {
	status int
	header http.Header
	body   string
}

// newClient is a client of its own, so that no test waits for another's connections.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func send(client *http.Client, method, url, body string, headers ...string) (reply, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(got)}, err
}

// ask sends one request and fails the test when there is no answer at all.
func ask(t *testing.T, client *http.Client, method, url, body string, headers ...string) reply {
	t.Helper()
	r, err := send(client, method, url, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return r
}

// answer is the part of an infer response that the tests read.
type answer struct {
	ID           string `json:"id"`
	ModelName    string `json:"model_name"`
	ModelVersion string `json:"model_version"`
	Outputs      []struct {
		Name     string `json:"name"`
		Datatype string `json:"datatype"`
		Shape    []int  `json:"shape"`
		Data     []any  `json:"data"`
	} `json:"outputs"`
	Error string `json:"error"`
}

func parse(body string) (answer, error) {
	var a answer
	err := json.Unmarshal([]byte(body), &a)
	return a, err
}

// output returns the data of one output, "" joined by commas, so that it can be compared as text.
func (a answer) output(name string) string {
	for _, o := range a.Outputs {
		if o.Name == name {
			parts := make([]string, len(o.Data))
			for i, v := range o.Data {
				parts[i] = fmt.Sprint(v)
			}
			return strings.Join(parts, ",")
		}
	}
	return ""
}

// flower is the iris that the README shows: setosa.
const flower = `{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}`
