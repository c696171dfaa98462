package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
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

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
