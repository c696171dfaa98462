//go:build linux

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"
	"time"

	"ganglion/bench/harness"
	"ganglion/internal/stack"
)

//go:embed nginx.conf haproxy.cfg
var configs embed.FS

// system is one that stands in front of nodes, to be compared.
type system struct {
	name, title string
	ours        bool
	extra       string // of gateway.toml, for ours
	template    string // of another's configuration
	command     func(program, config, dir string) []string
}

func systems() []system {
	return []system{
		{name: "ganglion", title: "Ganglion, defaults", ours: true},
		{name: "ganglion", title: "Ganglion, hedging", ours: true, extra: hedging},
		{name: "nginx", title: "nginx", template: "nginx.conf", command: func(program, config, dir string) []string {
			return []string{program, "-p", dir, "-c", config}
		}},
		{name: "haproxy", title: "HAProxy", template: "haproxy.cfg", command: func(program, config, _ string) []string {
			return []string{program, "-db", "-f", config}
		}},
	}
}

// hedging is what an operator adds to ours where the slowest answers matter.
const hedging = "[pools.main.hedge]\n"

// setup is the script that installs them.
const setup = "e2e/faults/setup.sh"

// edge is a system that runs.
type edge struct {
	url  string
	stop func() error
}

// startOther runs another's program in front of the nodes.
func (t *trial) startOther(ctx context.Context, s *system, nodes []string) (*edge, error) {
	program, err := harness.FindProgram(s.name, setup)
	if err != nil {
		return nil, err
	}
	free, err := stack.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(t.dir, s.template)
	if err := fill(config, s.template, map[string]any{"Dir": t.dir, "Listen": free[0], "Nodes": nodes, "Root": os.Geteuid() == 0}); err != nil {
		return nil, err
	}
	argv := s.command(program, config, t.dir)
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // it is stopped in order, below
	cmd.Stdout, cmd.Stderr = t.log, t.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e := &edge{url: "http://" + free[0], stop: func() error {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it has nothing to finish
		_ = cmd.Wait()
		return nil
	}}
	if err := awaitHTTP(ctx, e.url+"/v2/health/ready"); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.title, err), e.stop())
	}
	return e, nil
}

// fill writes a configuration.
func fill(path, name string, with map[string]any) error {
	parsed, err := template.ParseFS(configs, name)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	return errors.Join(parsed.Execute(f, with), f.Close())
}

// awaitHTTP waits until url answers 200.
func awaitHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := get(ctx, url)
		if err == nil {
			return nil
		}
		if wait := pause(ctx, 20*time.Millisecond); wait != nil {
			return errors.Join(wait, err)
		}
	}
}

// get reads what url answers with 200.
func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, body)
	}
	return body, err
}
