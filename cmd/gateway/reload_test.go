package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"ganglion/internal/testnode"
)

func TestReloadFromTheTerminal(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	g := runGateway(t, twoNodes(a, b))
	src, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	f := func(config, stdout, fails string) {
		t.Helper()
		if err := os.WriteFile(g.file, []byte(string(src)+config), 0o644); err != nil {
			t.Fatal(err)
		}
		out, _, err := call(t, "reload", "--admin", g.admin)
		if out != stdout || (err == nil) != (fails == "") || err != nil && (!strings.Contains(err.Error(), fails) || exitCode(err) != 1) {
			t.Errorf("got %q, %v, want %q, %q", out, err, stdout, fails)
		}
	}
	f("", "reloaded; no pool and no route has changed\n", "")
	f("timeout = \"5s\"\n[routes.m]\npool = \"main\"\n[cache]\nmax_bytes = 0\n", "reloaded; route added: m; route changed: *; a restart is needed for [cache]\n", "")
	f("[routes.m]\npol = \"main\"\ntimeout = 5\n", "", "says: the configuration has problems:\n"+g.file)
	f("", "reloaded; route removed: m; route changed: *\n", "")
}

// A file that is being edited still says where the gateway is that one wants to ask.
func TestAFileAtFaultStillLeadsToItsGateway(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	g := runGateway(t, twoNodes(a, b))
	src, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	with := func(config string) {
		if err := os.WriteFile(g.file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	with(string(src) + "[pools.next]\npolcy = \"weighted\"\nnodes = [{ address = \"nowhere\" }]\n")
	if _, _, err := call(t, "reload", "--config", g.file); err == nil || !strings.Contains(err.Error(), "says: the configuration has problems:\n"+g.file) {
		t.Errorf("reload: %v", err)
	}
	for _, args := range [][]string{{"status"}, {"drain", a.Address()}, {"drain", "--undo", a.Address()}, {"explain", "--model", "m"}} {
		if out, _, err := call(t, append(args, "--config", g.file)...); err != nil {
			t.Errorf("%q: %q, %v", args, out, err)
		}
	}
	for _, config := range []string{"nonsense", "[server]\nadmin = 5\n" + good} {
		with(config)
		if _, _, err := call(t, "status", "--config", g.file); err == nil || !strings.Contains(err.Error(), "cannot learn from "+g.file) {
			t.Errorf("%q: %v", config, err)
		}
	}
}

// SIGHUP reads the file again, and a file that is wrong leaves everything as it was.
func TestHangupReloads(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	config := func(n *testnode.Node) string {
		return fmt.Sprintf("[server]\nhttp = \"127.0.0.1:0\"\ngrpc = \"\"\nadmin = \"\"\ndrain_delay = \"10ms\"\n[log]\naccess = \"off\"\n"+
			"[pools.main]\nnodes = [{ address = %q }]\n[routes.\"*\"]\npool = \"main\"\n", n.Address())
	}
	p := launch(t, config(a))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answers := func() string {
		resp, err := client.Post("http://"+p.clients+"/v2/models/m/infer", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.Header.Get(testnode.NameHeader)
	}
	hangup := func(src, says string) {
		t.Helper()
		if err := os.WriteFile(p.config, []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
		p.Process.Signal(syscall.SIGHUP)
		p.waitSaid(t, says)
	}
	waitFor(t, func() bool { return answers() == a.Name() })
	hangup("[pools.main]\npolcy = 1\n", "reload refused, the configuration stays as it was")
	if got := answers(); got != a.Name() {
		t.Errorf("after a wrong file %q answered, want %q", got, a.Name())
	}
	hangup(config(b), "msg=reloaded")
	waitFor(t, func() bool { return answers() == b.Name() })
	p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
}
