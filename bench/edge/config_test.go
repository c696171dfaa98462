//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"ganglion/bench/harness"
	"ganglion/gateway"
)

// filled is a template with everything that a run fills in.
func filled(t *testing.T, name string) (path, content string) {
	t.Helper()
	dir := t.TempDir()
	path, err := writeConfig(dir, name, settings{
		Dir: dir, Listen: "127.0.0.1:18080", Admin: "127.0.0.1:18082", ListenPort: "18080", AdminPort: "18082", Nodes: []string{"127.0.0.1:19000", "127.0.0.1:19001"},
		Clients: 64, AccessLog: "off", Root: os.Geteuid() == 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(b)
}

func TestGatewayAcceptsItsFile(t *testing.T) {
	_, content := filled(t, "gateway.toml")
	if _, warnings, err := gateway.ParseConfig("gateway.toml", []byte(content)); err != nil || len(warnings) > 0 {
		t.Errorf("error %v, warnings %v in\n%s", err, warnings, content)
	}
}

func TestPeersAcceptTheirFiles(t *testing.T) {
	f := func(tool, config string, check ...string) {
		t.Helper()
		path, err := harness.FindProgram(tool, setup)
		if err != nil {
			t.Logf("not checked: %v", err)
			return
		}
		file, content := filled(t, config)
		out, err := exec.Command(path, append(check, file)...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "WARNING") || strings.Contains(string(out), "[warn]") {
			t.Errorf("%s says %v:\n%s\nof\n%s", tool, err, out, content)
		}
	}
	f("nginx", "nginx.conf", "-t", "-c")
	f("haproxy", "haproxy.cfg", "-c", "-f")
}
