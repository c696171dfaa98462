package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"ganglion/bench/harness"
	"ganglion/internal/stack"
)

// nginxConf keeps connections to the node, as its manual says: keepalive, HTTP/1.1, no Connection header. A POST is tried
// once, which is its default: proxy_next_upstream leaves requests out that are not idempotent.
const nginxConf = `daemon off;
worker_processes 1;
pid %[3]s/nginx.pid;
error_log %[3]s/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[3]s/body;
  proxy_temp_path %[3]s/proxy;
  fastcgi_temp_path %[3]s/fastcgi;
  uwsgi_temp_path %[3]s/uwsgi;
  scgi_temp_path %[3]s/scgi;
  upstream node { server %[2]s; keepalive 64; }
  server {
    listen %[1]s;
    location / { proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// haproxyConf shares connections to the node as much as it may; retries are what the package comes with.
const haproxyConf = `global
  maxconn 1024
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  http-reuse always
listen edge
  bind %[1]s
  server node %[2]s pool-max-conn 64
`

func startNginx(ctx context.Context, node, dir string) (string, func() error, error) {
	return startPeer(ctx, "nginx", nginxConf, node, dir, func(file string) []string { return []string{"-p", dir, "-c", file} })
}

func startHAProxy(ctx context.Context, node, dir string) (string, func() error, error) {
	return startPeer(ctx, "haproxy", haproxyConf, node, dir, func(file string) []string { return []string{"-db", "-q", "-f", file} })
}

// startPeer runs a proxy of the system until end is called.
func startPeer(ctx context.Context, name, conf, node, dir string, args func(file string) []string) (string, func() error, error) {
	binary, err := harness.FindProgram(name, "bench/setup.sh")
	if err != nil {
		return "", nil, err
	}
	free, err := stack.FreeAddresses(1)
	if err != nil {
		return "", nil, err
	}
	address := free[0]
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, conf, address, node, dir), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, binary, args(file)...) //nolint:gosec // the two programs above
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end := func() error {
		_ = cmd.Process.Signal(os.Interrupt) // fails only if it has ended
		_ = cmd.Wait()                       // by that signal, which is no news
		return nil
	}
	return "http://" + address, end, nil
}
