package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ganglion/internal/stack"
	"ganglion/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// atFreePorts are the flags for a demo of this repository beside whatever runs on this machine.
func atFreePorts(t *testing.T) []string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := stack.FreeAddresses(5) // which nobody gets who asks the kernel for a port meanwhile
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"--http", addresses[0], "--grpc", addresses[4], "--admin", addresses[1], "--nodes", addresses[2] + "," + addresses[3],
		"--config", filepath.Join(root, "gateway.toml"), "--bin", filepath.Join(root, "bin"), "--models", filepath.Join(root, "models"),
	}
}

// built skips the test unless make build has been there; make test sees to that.
func built(t *testing.T) {
	t.Helper()
	for _, program := range []string{"../../bin/gateway", "../../bin/backend"} {
		if _, err := os.Stat(program); err != nil {
			t.Skip("needs the real programs: make build")
		}
	}
}

func TestOnceShowsTheSpeciesAndTheLanguage(t *testing.T) {
	built(t)
	var out testlog.Log
	if err := run(t.Context(), append(atFreePorts(t), "--once"), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, part := range []string{"gateway is ready on", "/v2/models/iris/infer -d '{", "→ setosa", "→ German", "all processes have ended"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the output lacks %q:\n%s", part, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colour where there is no terminal")
	}
}

// TestStaysUntilInterrupted also pastes the first question into a shell, if it has curl.
func TestStaysUntilInterrupted(t *testing.T) {
	built(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out testlog.Log
	done := make(chan error, 1)
	go func() { done <- run(ctx, atFreePorts(t), &out) }()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "Ctrl-C stops everything."); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not up within a minute:\n%s", out.String())
		}
	}
	if _, err := exec.LookPath("curl"); err == nil {
		_, pasted, _ := strings.Cut(out.String(), "curl -s ")
		pasted, _, _ = strings.Cut(pasted, "}'")
		answer, err := exec.Command("sh", "-c", "curl -s "+pasted+"}'").CombinedOutput()
		if err != nil || !strings.Contains(string(answer), `"setosa"`) {
			t.Errorf("the pasted line: %v\n%s", err, answer)
		}
	}
	var node int
	_, after, _ := strings.Cut(out.String(), "node-1 is ready on ")
	if _, err := fmt.Sscanf(after[strings.Index(after, "(pid"):], "(pid %d)", &node); err != nil {
		t.Fatal(err)
	}
	interrupt()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if syscall.Kill(node, 0) == nil {
		t.Errorf("node-1 (pid %d) is still there", node)
	}
}

func TestWhatIsMissingIsOneLine(t *testing.T) {
	with := func(flags ...string) []string { return append(atFreePorts(t), flags...) }
	f := func(want string, args []string) {
		t.Helper()
		var out testlog.Log
		err := run(t.Context(), args, &out)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got  %v\nwant %s…", err, want)
		}
	}
	empty := t.TempDir()
	f("no ONNX Runtime library in "+empty+"/lib: make library fetches it", with("--bin", empty))
	f("cannot read the gateway's configuration: open "+empty+"/gateway.toml: no such file", with("--config", empty+"/gateway.toml"))
	f(`--nodes "a": want two addresses`, with("--nodes", "a"))
	f(`unexpected argument "now"`, with("now"))
	f("flag provided but not defined: -fast", with("--fast"))

	t.Setenv("ORT_LIBRARY", empty+"/libmine.so")
	f("ORT_LIBRARY="+empty+"/libmine.so: no such file or directory", with())
	t.Setenv("ORT_LIBRARY", empty)
	f("cannot run "+empty+"/gateway: no such file or directory (make build builds it)", with("--bin", empty))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	built(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	f("in use: port "+port+" (gateway, "+ln.Addr().String()+"); stop what holds it, or choose other addresses", with("--http", ln.Addr().String()))
}

func TestShippedConfigurationMoves(t *testing.T) {
	text, err := os.ReadFile("../../gateway.toml")
	if err != nil {
		t.Fatal(err)
	}
	o := options{http: "h:1", grpc: "g:1", admin: "a:1"}
	moved := o.moveAddresses(string(text), []string{"n:1", "n:2"})
	for _, address := range []string{`"h:1"`, `"a:1"`, `"n:1"`, `"n:2"`} {
		if strings.Count(moved, address) != 1 {
			t.Errorf("%s is %d times in\n%s", address, strings.Count(moved, address), moved)
		}
	}
}

func TestQuestionsCanBePasted(t *testing.T) {
	for _, q := range questions {
		if !json.Valid([]byte(q.body)) || strings.Contains(q.body, "'") {
			t.Errorf("%s: no JSON for a shell: %s", q.model, q.body)
		}
	}
}

func TestOnlySeriousLinesAreShown(t *testing.T) {
	var out testlog.Log
	w := warnings{screen: newScreen(&out)}
	for _, line := range []string{
		"[gateway] time=… level=INFO msg=serving\n", "[gateway] {\"status\":200}\n",
		"[gateway] level=WARN msg=\"node is down\"\n", "[node-1] {\"level\":\"ERROR\"}\n", "[gateway] warning: gateway.toml:3: …\n",
	} {
		if _, err := w.Write([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	want := "  [gateway] level=WARN msg=\"node is down\"\n  [node-1] {\"level\":\"ERROR\"}\n  [gateway] warning: gateway.toml:3: …\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
