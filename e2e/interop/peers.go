package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ganglion/internal/stack"
)

// peers are other makers' servers, running as nodes.
type peers struct{ all []*peer }

// peer is one of them, with models NAME_identity, which the gateway asks by HTTP, and NAME_grpc_identity, both of which
// answer what they are asked.
type peer struct {
	name       string
	http, grpc string // addresses
	cmd        *exec.Cmd
	done       chan struct{} // closed when it has ended
	ended      error         // how; read after done, like output
	output     bytes.Buffer
}

// models is where the peers' models are.
var models = filepath.Join("e2e", "interop", "peers")

// startPeers starts those that setup.sh has installed and waits until they are ready. They may write into dir.
func startPeers(ctx context.Context, dir, tools string) (*peers, error) {
	p := &peers{}
	for name, command := range map[string]peerCommand{"triton": triton, "mlserver": mlserver} {
		if _, err := os.Stat(filepath.Join(tools, name)); err != nil {
			continue
		}
		if err := p.start(ctx, name, dir, tools, command); err != nil {
			p.stop()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return p, nil
}

// peerCommand is what runs a peer that listens on three ports: HTTP, gRPC and metrics.
type peerCommand func(dir, tools string, ports [3]string) (*exec.Cmd, error)

func (p *peers) start(ctx context.Context, name, dir, tools string, command peerCommand) error {
	addresses, err := stack.FreeAddresses(3)
	if err != nil {
		return err
	}
	var ports [3]string // HTTP, gRPC, metrics
	for i, address := range addresses {
		if _, ports[i], err = net.SplitHostPort(address); err != nil {
			return err
		}
	}
	cmd, err := command(dir, tools, ports)
	if err != nil {
		return err
	}
	pr := &peer{name: name, http: addresses[0], grpc: addresses[1], cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &pr.output, &pr.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // both have children
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(pr.done)
		pr.ended = cmd.Wait()
	}()
	p.all = append(p.all, pr)
	return pr.awaitReady(ctx)
}

// triton serves with its Python backend, which is the one that its package on PyPI brings.
func triton(dir, tools string, ports [3]string) (*exec.Cmd, error) {
	site, err := only(filepath.Join(tools, "triton", "lib", "python3*", "site-packages"))
	if err != nil {
		return nil, err
	}
	python, err := exec.Command(filepath.Join(tools, "triton", "bin", "python"), "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))").Output()
	if err != nil {
		return nil, err
	}
	// Its Python backend writes compiled files beside the models.
	repository := filepath.Join(dir, "triton")
	if err := os.CopyFS(repository, os.DirFS(filepath.Join(models, "triton"))); err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(site, "pytriton", "tritonserver", "bin", "tritonserver"),
		"--model-repository", repository, "--backend-directory", filepath.Join(tools, "backends"), "--http-address", "127.0.0.1", "--grpc-address", "127.0.0.1",
		"--http-port", ports[0], "--grpc-port", ports[1], "--metrics-port", ports[2])
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1",
		"PATH="+filepath.Join(tools, "triton", "bin")+":"+os.Getenv("PATH"),
		"LD_LIBRARY_PATH="+filepath.Join(site, "nvidia_pytriton.libs")+":"+strings.TrimSpace(string(python)))
	return cmd, nil
}

func mlserver(_, tools string, ports [3]string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(tools, "mlserver", "bin", "mlserver"), "start", ".")
	cmd.Dir = filepath.Join(models, "mlserver")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "MLSERVER_HOST=127.0.0.1", "MLSERVER_PARALLEL_WORKERS=0",
		"MLSERVER_HTTP_PORT="+ports[0], "MLSERVER_GRPC_PORT="+ports[1], "MLSERVER_METRICS_PORT="+ports[2])
	return cmd, nil
}

// names are those of the peers that run.
func (p *peers) names() []string {
	var names []string
	for _, pr := range p.all {
		names = append(names, pr.name)
	}
	return names
}

// only is the one path that matches.
func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s: %d of it, want 1", pattern, len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// startTime is for Python to import everything on a machine that is busy.
const startTime = 2 * time.Minute

func (p *peer) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		if answers(ctx, "http://"+p.http+"/v2/models/"+p.name+"_identity/ready") {
			fmt.Fprintf(os.Stderr, "interop: %s is ready on %s\n", p.name, p.http)
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended before it was ready: %w\n%s", p.ended, p.output.String())
		case <-ctx.Done():
			return fmt.Errorf("it was not ready: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

// answers reports whether url answers 200.
func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// stop ends all of them, with their children.
func (p *peers) stop() {
	for _, pr := range p.all {
		_ = syscall.Kill(-pr.cmd.Process.Pid, syscall.SIGTERM)
	}
	for _, pr := range p.all {
		select {
		case <-pr.done:
		case <-time.After(10 * time.Second): // neither has anything to finish
		}
		if err := syscall.Kill(-pr.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			fmt.Fprintln(os.Stderr, "interop: cannot kill", pr.name+":", err)
		}
	}
}

// gatewayConfig sends each peer's models to it, over HTTP and over gRPC, and all others to our own nodes.
func gatewayConfig(p *peers) string {
	var b strings.Builder
	b.WriteString(`[server]
http  = "${STACK_HTTP}"
grpc  = "${STACK_GRPC}"
admin = "${STACK_ADMIN}"

[pools.main]
nodes = [{ address = "${STACK_NODE_1}" }, { address = "${STACK_NODE_2}" }]

[routes."*"]
pool = "main"
`)
	for _, pr := range p.all {
		fmt.Fprintf(&b, "\n[pools.%s]\nnodes = [{ address = %q }]\n[routes.%s_identity]\npool = %q\n", pr.name, pr.http, pr.name, pr.name)
		over := pr.name + "_grpc"
		fmt.Fprintf(&b, "\n[pools.%s]\nnodes = [{ address = %q, protocol = \"grpc\" }]\n[routes.%s_identity]\npool = %q\n", over, pr.grpc, over, over)
	}
	return b.String()
}
