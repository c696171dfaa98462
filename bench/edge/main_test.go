//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ganglion/bench/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWrongFlagsAreRefused(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		err := run(t.Context(), args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("edge %q: error is %v, want %q in it", args, err, want)
		}
	}
	f(`unexpected argument "x"`, "x")
	f("--rounds 0: 1 or more", "--rounds", "0")
	f("--idle -1: 0 to 100000", "--idle", "-1")
	f("--duration 1.5s: wrk takes whole seconds", "--duration", "1.5s")
	f(`--only "apache": accepted are direct, haproxy, nginx, envoy, ganglion, ganglion-http, ganglion-log`, "--only", "nginx,apache")
}

func TestMissingGatewayIsNamed(t *testing.T) {
	_, err := findTools(&options{gateway: "no/such/file", only: []string{"ganglion"}})
	if err == nil || !strings.Contains(err.Error(), "wrk") && !strings.Contains(err.Error(), `run "make build"`) {
		t.Errorf("error is %v, want what is missing and how to get it", err)
	}
}

// TestQuickRun measures for real, with whatever is installed.
func TestQuickRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	if _, err := harness.FindProgram("wrk", setup); err != nil {
		t.Skip(err)
	}
	if _, err := splitCores(); err != nil {
		t.Skip(err)
	}
	if _, err := os.Stat("../../bin/gateway"); err != nil {
		t.Skip("needs the gateway: make build")
	}
	only := []string{"direct"}
	for _, tool := range []string{"haproxy", "nginx"} {
		if _, err := harness.FindProgram(tool, setup); err == nil {
			only = append(only, tool)
		}
	}
	file := filepath.Join(t.TempDir(), "result.json")
	var table bytes.Buffer
	err := run(t.Context(), []string{"--quick", "--idle", "0", "--gateway", "../../bin/gateway", "--only", strings.Join(only, ","), "--json", file}, &table, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	for _, name := range only {
		i := 0
		for _, m := range r.Measurements {
			if m.System == name {
				i++
				if m.Requests == 0 || m.P99US < m.P50US || (name != "direct" && m.CPUMicros <= 0) {
					t.Errorf("%s measured %+v", name, m)
				}
			}
		}
		if i == 0 {
			t.Errorf("%s was not measured", name)
		}
	}
	if !strings.Contains(table.String(), "| straight to a node | ") {
		t.Errorf("the table is\n%s", table.String())
	}
}
