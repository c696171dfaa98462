package backend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/testlog"
)

// fasthttp has one goroutine of its own that keeps the Date header, started on first use and never stopped.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// node is a running node under test.
type node struct {
	t    *testing.T
	url  string
	log  *testlog.Log
	stop func() error // ends Run, and returns what it returned

	server *backend.Server // for calls that not every protocol has

	closeEngine func() // that startNode has opened, before the end of the test
}

// demoModels is the repository's own models folder.
func demoModels(t testing.TB) string { return filepath.Join(onnxtest.Root(t), "models") }

// startNode runs a node with the real engine on the models of dir until the test ends, and waits until it is ready.
func startNode(t *testing.T, dir string, change ...func(*backend.Config)) *node {
	t.Helper()
	engine, err := onnx.New(onnx.Config{Library: onnxtest.Library(t), Device: "cpu", Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	closeEngine := sync.OnceFunc(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closeEngine)
	n := startNodeOn(t, engine, dir, change...)
	n.closeEngine = closeEngine
	n.waitReady()
	return n
}

// startNodeOn runs a node on any engine and does not wait.
func startNodeOn(t *testing.T, engine backend.Engine, dir string, change ...func(*backend.Config)) *node {
	t.Helper()
	cfg := backend.DefaultConfig()
	cfg.Models, cfg.ID, cfg.Version = dir, "test-node", "test"
	for _, f := range change {
		f(&cfg)
	}
	n := &node{t: t, log: new(testlog.Log)}
	server, err := backend.New(cfg, engine, slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	n.server = server
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.url = "http://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, ln) }()
	n.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := n.stop(); err != nil {
			t.Errorf("the node stopped with %v", err)
		}
		if t.Failed() {
			t.Logf("the node's log:\n%s", n.log)
		}
	})
	return n
}

func (n *node) waitReady() {
	n.t.Helper()
	n.waitFor("/v2/health/ready", http.StatusOK)
}

// waitFor asks until path answers with status.
func (n *node) waitFor(path string, status int) {
	n.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if got := n.get(path); got.status == status {
			return
		} else if time.Now().After(deadline) {
			n.t.Fatalf("GET %s still answers %d %s", path, got.status, got.body)
		}
	}
}

// answer is what a client sees.
type answer struct {
	status int
	header http.Header
	body   string
}

func (n *node) get(path string) answer { n.t.Helper(); return n.do("GET", path, nil) }

func (n *node) post(path, body string) answer {
	n.t.Helper()
	return n.do("POST", path, strings.NewReader(body))
}

func (n *node) do(method, path string, body io.Reader, header ...string) answer {
	n.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, n.url+path, body)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// want fails unless the answer has the status and its body holds text. Refusals must be JSON with a single member.
func (a answer) want(t *testing.T, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("got %d %s\nwant %d with %s", a.status, a.body, status, text)
		return
	}
	if status >= 400 {
		var refusal struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal([]byte(a.body), &refusal); err != nil || refusal.Error == "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("a refusal is {\"error\":…} as application/json, got %q %s", a.header.Get("Content-Type"), a.body)
		}
	}
}

// output is one output of a JSON answer.
type output struct {
	Name     string
	Datatype string
	Shape    []int64
	Data     []any
}

// outputs reads a JSON answer.
func (a answer) outputs(t *testing.T) map[string]output {
	t.Helper()
	var response struct {
		Outputs []output `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(a.body), &response); err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s (%v)", a.status, a.body, err)
	}
	byName := map[string]output{}
	for _, o := range response.Outputs {
		byName[o.Name] = o
	}
	return byName
}

// irisRequest is one flower.
const irisRequest = `{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}`

// textRequest asks language_id about sentences.
func textRequest(sentences ...string) string {
	data, err := json.Marshal(sentences)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"inputs":[{"name":"bytes","shape":[%d],"datatype":"BYTES","data":%s}]}`, len(sentences), data)
}

// copyModel copies a demo model into dir.
func copyModel(t *testing.T, name, dir string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(demoModels(t), name))); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newServer makes a node on an engine that opens nothing, and returns why it would not.
func newServer(t *testing.T, models string) error {
	t.Helper()
	cfg := backend.DefaultConfig()
	cfg.Models = models
	_, err := backend.New(cfg, &fakeEngine{}, slog.New(slog.DiscardHandler))
	return err
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(content))
}

// residentMemory is how much memory the process has, in bytes, after what it can free is freed; 0 where the system does
// not tell.
func residentMemory(t *testing.T) int { return procStatus(t, "VmRSS:") }

// peakMemory is the most memory that the process has had while f ran, beyond what it had before; 0 where the system does not
// tell.
func peakMemory(t *testing.T, f func()) int {
	before := residentMemory(t)
	err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // starts the peak anew; see proc(5)
	f()
	if err != nil {
		return 0
	}
	return procStatus(t, "VmHWM:") - before
}

func procStatus(t *testing.T, field string) int {
	t.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	return 0
}
