package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ganglion/internal/stack"
)

// suite is one client against one target.
type suite struct {
	name string
	run  func(ctx context.Context) (summary string, err error)
}

// target is where clients point.
type target struct{ name, http, grpc string }

// suites lists everything there is to run.
func suites(s *stack.Stack, tools string, p *peers) []suite {
	gateway := target{"gateway", strings.TrimPrefix(s.GatewayURL(), "http://"), s.GRPC()}
	node := target{"node", s.Nodes()[0].Address(), s.Nodes()[0].GRPC()}
	var all []suite
	for _, t := range []target{node, gateway} {
		all = append(all,
			python(t, "tritonclient HTTP", tools, "clients", "test_triton_http.py"),
			python(t, "tritonclient gRPC", tools, "clients", "test_triton_grpc.py"),
			python(t, "KServe SDK", tools, "kserve", "test_kserve.py"),
		)
	}
	for _, name := range p.names() {
		all = append(all,
			python(gateway, name+" as a node", tools, "clients", "test_peer.py"),
			python(gateway, name+"_grpc as a node", tools, "clients", "test_peer.py"),
		)
	}
	if analyzer, found := perfAnalyzer(tools); found {
		for _, protocol := range []string{"http", "grpc"} {
			all = append(all, analyzer.suite(gateway, protocol))
		}
	}
	return all
}

// python is a test file of clients/, run by the interpreter of one of the environments.
func python(t target, client, tools, environment, file string) suite {
	return suite{t.name + ": " + client, func(ctx context.Context) (string, error) {
		cmd := exec.Command(filepath.Join(tools, environment, "bin", "python"), file)
		cmd.Dir = filepath.Join("e2e", "interop", "clients")
		cmd.Env = append(os.Environ(), "TARGET_HTTP="+t.http, "TARGET_GRPC="+t.grpc, "PYTHONDONTWRITEBYTECODE=1", "PEER="+client)
		out, err := output(ctx, cmd)
		if err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		return string(testCount.Find(out)), nil
	}}
}

// testCount finds what Python's unittest says at its end.
var testCount = regexp.MustCompile(`Ran \d+ tests?`)

// longest is time for the slowest suite many times over; without it a client that waits for ever would hang the run.
const longest = 3 * time.Minute

// output runs cmd and returns all it has written. The end of ctx kills it.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		err = errors.Join(err, fmt.Errorf("it took longer than %s", longest))
	}
	return out.Bytes(), err
}
