package testnode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds what a node reads of a request: tests send kilobytes, and a
// test that streams without end should fail, not fill the memory.
const maxBody = 64 << 20

func (n *Node) handle(w http.ResponseWriter, r *http.Request) {
	if !n.enter() {
		return
	}
	defer n.served.Done()
	if n.upgraded(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		n.gone.Add(1)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if ice := n.script.ice(); ice != nil && !n.wait(r, ice) {
		return
	}
	if asksIndex(r) {
		n.answerIndex(w)
		return
	}
	if isProbe(r.URL.Path) {
		if r.UserAgent() != gatewayProbe || !strings.HasPrefix(r.URL.Path, "/v2/models/") {
			n.probes.Add(1) // a gateway's is one, whatever it asks beside
		}
		n.answerProbe(w, r)
		return
	}
	if r.URL.Path == "/v2" {
		n.answer(w, r) // like a probe: whoever has to know what a node can asks when it likes
		return
	}
	n.record.add(r, body)
	delay, fault := n.script.take()
	if delay > 0 && !n.sleep(r, delay) {
		return
	}
	if fault != nil {
		fault(n, w, r)
		return
	}
	n.answer(w, r)
}

// wait returns true once the channel is closed, false if the client left or the
// test ended first.
func (n *Node) wait(r *http.Request, released <-chan struct{}) bool {
	select {
	case <-released:
		return true
	case <-r.Context().Done():
		n.gone.Add(1)
		return false
	case <-n.ended.Done():
		return false
	}
}

func (n *Node) sleep(r *http.Request, d time.Duration) bool {
	passed := make(chan struct{})
	timer := time.AfterFunc(d, func() { close(passed) })
	defer timer.Stop()
	return n.wait(r, passed)
}

// isProbe tells the health endpoints of the protocol from the rest.
func isProbe(path string) bool {
	return strings.HasSuffix(path, "/ready") || strings.HasSuffix(path, "/live")
}

func (n *Node) answerProbe(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(NameHeader, n.Name())
	w.Header().Set("Content-Type", "application/json")
	ready := n.ready.Load() && n.has(r.URL.Path)
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(w, `{"ready":%t}`, ready)
}

// answer is what a healthy node says.
func (n *Node) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(NameHeader, n.Name())
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/infer"):
		_, _ = w.Write(inferAnswer(r)) // to a client that may have left, like all answers here
	case strings.HasSuffix(r.URL.Path, ":predict"):
		fmt.Fprint(w, `{"predictions":[1]}`)
	case strings.HasPrefix(r.URL.Path, "/v2/models/"):
		fmt.Fprintf(w, `{"name":%q,"versions":["1"],"platform":"testnode",`+
			`"inputs":[{"name":"input","datatype":"FP32","shape":[-1,1]}],`+
			`"outputs":[{"name":"output","datatype":"FP32","shape":[-1,1]}]}`, modelOf(r.URL.Path))
	case r.URL.Path == "/v2" || r.URL.Path == "/v2/":
		extensions, _ := n.extensions.Load().([]string)
		list, err := json.Marshal(append([]string{}, extensions...))
		if err != nil {
			panic(fmt.Sprintf("BUG: testnode cannot encode its extensions: %v", err))
		}
		fmt.Fprintf(w, `{"name":"testnode","version":"1","extensions":%s}`, list)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":%q}`, "testnode does not serve "+r.URL.Path)
	}
}

// inferAnswer is one FP32 output with the value 1, and the request's id if it
// had one.
func inferAnswer(r *http.Request) []byte {
	answer := struct {
		Model   string `json:"model_name"`
		Version string `json:"model_version"`
		ID      string `json:"id,omitempty"`
		Outputs []any  `json:"outputs"`
	}{
		Model: modelOf(r.URL.Path), Version: "1", ID: requestID(r),
		Outputs: []any{map[string]any{"name": "output", "datatype": "FP32", "shape": []int{1, 1}, "data": []float32{1}}},
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		panic(fmt.Sprintf("BUG: testnode cannot encode its answer: %v", err))
	}
	return encoded
}

// requestID finds the id of an infer request in its JSON part. A body that is
// not JSON has none: checking requests is not what this node is for.
func requestID(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	if length, err := strconv.Atoi(r.Header.Get("Inference-Header-Content-Length")); err == nil {
		body = body[:max(0, min(length, len(body)))]
	}
	var request struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &request) != nil {
		return ""
	}
	return request.ID
}

// modelOf is the name after /v2/models/ or /v1/models/.
func modelOf(path string) string {
	_, rest, _ := strings.Cut(path, "/models/")
	name, _, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, ":")
	return name
}
