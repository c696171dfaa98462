package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ganglion/internal/testnode"
)

// asProgram makes the test binary be the program: tests of signals and exit codes need a process.
const asProgram = "GANGLION_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m,
		// fasthttp's worker pool looks every ten seconds whether it was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		// One for the whole process, for the Date header.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

// call runs the program in this process.
func call(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), err
}

func write(t *testing.T, config string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

const good = "[pools.main]\nnodes = [{ address = \"10.0.0.1:9000\" }]\n[routes.\"*\"]\npool = \"main\"\ncache = { ttl = \"1m\" }\n"

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args                string
		stdout, stderr, err string
		code                int
	}{
		{args: "version", stdout: "gateway devel\n"},
		{args: "help", stdout: usage},
		{args: "run -h", stdout: runUsage},
		{args: "validate --help", stdout: validateUsage},
		{args: "", stderr: usage, err: "no command", code: 2},
		{args: "serve", err: `unknown command "serve"`, code: 2},
		{args: "run --conf x", err: "run: flag provided but not defined: -conf", code: 2},
		{args: "validate gateway.toml", err: `validate: unexpected argument "gateway.toml"`, code: 2},
		{args: "validate --config nowhere.toml", err: "nowhere.toml", code: 1},
		{args: "run --config nowhere.toml", err: "nowhere.toml", code: 1},
	} {
		stdout, stderr, err := call(t, strings.Fields(c.args)...)
		if stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%q: printed %q and %q, want %q and %q", c.args, stdout, stderr, c.stdout, c.stderr)
		}
		if (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: error %v, want %q", c.args, err, c.err)
		}
		if err != nil && exitCode(err) != c.code {
			t.Errorf("%q: exit code %d, want %d", c.args, exitCode(err), c.code)
		}
	}
}

// TestAWrongFlagLeadsToTheCommandsHelp: it is there that the right ones are.
func TestAWrongFlagLeadsToTheCommandsHelp(t *testing.T) {
	for _, command := range []string{"run", "validate", "status", "reload", "drain", "explain", "record", "replay", "bench"} {
		_, _, err := call(t, command, "--colour", "red")
		want := command + ": flag provided but not defined: -colour: see `gateway " + command + " -h`"
		if err == nil || err.Error() != want || exitCode(err) != 2 {
			t.Errorf("error %v, exit code %d, want %q and 2", err, exitCode(err), want)
		}
		help, _, err := call(t, command, "-h")
		if err != nil || !strings.Contains(help, "usage: gateway "+command) || !strings.Contains(usage, "gateway "+command+" ") {
			t.Errorf("%s: help %q, %v", command, help, err)
		}
	}
	if _, _, err := call(t, "status", "--admin", "8082"); err == nil || !strings.HasSuffix(err.Error(), "see `gateway status -h`") {
		t.Errorf("a wrong address: %v", err)
	}
}

func TestValidate(t *testing.T) {
	file := write(t, good)
	stdout, stderr, err := call(t, "validate", "--config", file)
	want := file + ": ok: 1 route to 1 pool of 1 node, 1 cached, clients at :8080 and, over gRPC, :8081, admin at 127.0.0.1:8082\n"
	if err != nil || stdout != want || stderr != "" {
		t.Errorf("a good file: %q, %q, %v; want %q", stdout, stderr, err, want)
	}

	file = write(t, strings.Replace(good, "[routes", "hash = { header = \"X-User\" }\n[routes", 1))
	stdout, stderr, err = call(t, "validate", "--config", file)
	if err != nil || !strings.Contains(stdout, ": ok: ") || !strings.HasPrefix(stderr, "warning: "+file+":3: pools.main.hash.header: the policy") {
		t.Errorf("a file that is odd: %q, %q, %v", stdout, stderr, err)
	}

	file = write(t, "[server]\nhtpp = \":8080\"\n"+strings.Replace(good, `pool = "main"`, `pool = "mian"`, 1))
	stdout, stderr, err = call(t, "validate", "--config", file)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if !errors.Is(err, errSaid) || exitCode(err) != 1 || stdout != "" || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], file+":2: server.htpp: unknown key") || !strings.Contains(lines[1], `did you mean "main"?`) {
		t.Errorf("a bad file: %q, %q, %v", stdout, stderr, err)
	}
	if _, stderr, err = call(t, "run", "--config", file); !errors.Is(err, errSaid) || strings.Count(stderr, "\n") != 2 {
		t.Errorf("run with a bad file: %q, %v", stderr, err)
	}
}

func TestValidateForScripts(t *testing.T) {
	var got report
	read := func(config string) error {
		t.Helper()
		stdout, stderr, err := call(t, "validate", "--json", "--config", write(t, config))
		if jsonErr := json.Unmarshal([]byte(stdout), &got); jsonErr != nil || stderr != "" {
			t.Fatalf("%q, %q: %v", stdout, stderr, jsonErr)
		}
		return err
	}
	if err := read(strings.Replace(good, "[routes", "hash = { header = \"X-User\" }\n[routes", 1)); err != nil || !got.OK || len(got.Warnings) != 1 || got.Warnings[0].Key != "pools.main.hash.header" || got.Errors == nil {
		t.Errorf("a good file: %v, %+v", err, got)
	}
	if err := read("[server]\nhtpp = 1\n" + good); !errors.Is(err, errSaid) || got.OK || len(got.Errors) != 1 ||
		got.Errors[0].Line != 2 || got.Errors[0].Key != "server.htpp" || got.Errors[0].Message == "" || got.Errors[0].Hint == "" {
		t.Errorf("a bad file: %v, %+v", err, got)
	}
}

func TestAPortInUseIsOneLine(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	for _, server := range []string{
		fmt.Sprintf("http = %q\ngrpc = \"\"\nadmin = \"\"\n", taken),
		fmt.Sprintf("http = \"127.0.0.1:0\"\ngrpc = \"\"\nadmin = %q\n", taken),
		fmt.Sprintf("http = \"127.0.0.1:0\"\ngrpc = %q\nadmin = \"\"\n", taken),
	} {
		_, _, err := call(t, "run", "--config", write(t, "[server]\n"+server+"[log]\naccess = \"off\"\n"+good))
		if err == nil || !strings.Contains(err.Error(), taken) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line that names the address", server, err)
		}
	}
}

func TestAnAccessLogThatCannotBeOpened(t *testing.T) {
	_, _, err := call(t, "run", "--config", write(t, "[log]\naccess = \"/nonexistent/access.log\"\n"+good))
	if err == nil || !strings.Contains(err.Error(), "log.access") {
		t.Errorf("error %v, want the key named", err)
	}
}

// process is the program as its own process.
type process struct {
	*exec.Cmd
	config  string      // its file
	clients string      // where it serves them
	said    chan string // its log from then on
}

// launch starts the program and waits until it is ready.
func launch(t *testing.T, config string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, config)
	p := &process{Cmd: exec.CommandContext(context.Background(), exe, "run", "--config", file), config: file}
	p.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	lines := bufio.NewScanner(stderr)
	for p.clients == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "msg=serving address="); ok {
			p.clients, _, _ = strings.Cut(rest, " ")
		}
	}
	if p.clients == "" {
		t.Fatal("the program ended before it served")
	}
	p.said = make(chan string, 1000)
	go func() {
		defer close(p.said)
		for lines.Scan() {
			p.said <- lines.Text()
		}
	}()
	return p
}

// waitSaid waits for a line of the program's log.
func (p *process) waitSaid(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-p.said:
			if !ok {
				t.Fatalf("the program ended before it said %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			t.Fatalf("the program never said %q", text)
		}
	}
}

func TestSignals(t *testing.T) {
	n := testnode.Start(t)
	accessLog := filepath.Join(t.TempDir(), "access.log")
	config := fmt.Sprintf("[server]\nhttp = \"127.0.0.1:0\"\ngrpc = \"\"\nadmin = \"\"\ndrain_delay = \"10ms\"\n[log]\naccess = %q\n"+
		"[pools.main]\nnodes = [{ address = %q }]\n[routes.\"*\"]\npool = \"main\"\n", accessLog, n.Address())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	infer := func(p *process) (int, error) {
		resp, err := client.Post("http://"+p.clients+"/v2/models/m/infer", "application/json", strings.NewReader("{}"))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		return resp.StatusCode, nil
	}

	t.Run("SIGTERM finishes what is in flight", func(t *testing.T) {
		p := launch(t, config)
		release := n.Hang()
		defer release()
		got := make(chan int, 1)
		go func() {
			status, err := infer(p)
			if err != nil {
				t.Errorf("the request in flight: %v", err)
			}
			got <- status
		}()
		waitFor(t, func() bool { return n.Requests() == 1 })
		p.Process.Signal(syscall.SIGTERM)
		waitFor(t, func() bool { _, err := net.Dial("tcp", p.clients); return err != nil })
		release()
		n.Heal()
		if status := <-got; status != 200 {
			t.Errorf("the request in flight got %d", status)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("exit: %v, want 0", err)
		}
		if log, err := os.ReadFile(accessLog); err != nil || !strings.Contains(string(log), `"status":200`) {
			t.Errorf("the access log holds %q (%v)", log, err)
		}
	})
	t.Run("a second signal ends it at once", func(t *testing.T) {
		p := launch(t, config)
		release := n.Hang()
		defer release()
		defer n.Heal()
		before := n.Requests()
		go infer(p)
		waitFor(t, func() bool { return n.Requests() == before+1 })
		p.Process.Signal(syscall.SIGTERM)
		waitFor(t, func() bool { _, err := net.Dial("tcp", p.clients); return err != nil })
		p.Process.Signal(syscall.SIGTERM)
		p.waitSaid(t, "second signal: ending at once")
		if p.Wait(); p.ProcessState.ExitCode() != 1 {
			t.Errorf("ended with %s, want exit code 1", p.ProcessState)
		}
	})
	t.Run("SIGHUP goes on in a new access log", func(t *testing.T) {
		p := launch(t, config)
		ask := func(id string) {
			req, err := http.NewRequest("POST", "http://"+p.clients+"/v2/models/m/infer", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Request-Id", id)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		holds := func(file, id string) bool {
			b, _ := os.ReadFile(file)
			return strings.Contains(string(b), `"id":"`+id+`"`)
		}
		ask("first")
		waitFor(t, func() bool { return holds(accessLog, "first") })
		if err := os.Rename(accessLog, accessLog+".1"); err != nil {
			t.Fatal(err)
		}
		ask("between")
		waitFor(t, func() bool { return holds(accessLog+".1", "between") })
		p.Process.Signal(syscall.SIGHUP)
		p.waitSaid(t, "reopened the access log")
		ask("after")
		waitFor(t, func() bool { return holds(accessLog, "after") })
		if holds(accessLog+".1", "after") || holds(accessLog, "between") {
			t.Error("a line is in the wrong file")
		}
		p.Process.Signal(syscall.SIGTERM)
		if err := p.Wait(); err != nil {
			t.Errorf("exit: %v, want 0", err)
		}
	})
	client.CloseIdleConnections()
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
