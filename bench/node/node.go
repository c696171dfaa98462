//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ganglion/bench/affinity"
)

// patience is how long the node may take to load its models, or to end.
const patience = time.Minute

// node is the process under test.
type node struct {
	cmd     *exec.Cmd
	address string
	said    bytes.Buffer // not to be read before gone is closed
	gone    chan struct{}
}

// startNode runs the node on its cores and waits until it is ready.
func startNode(o *options, repository string, cpus []int) (*node, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, most likely still in a moment
	if err != nil {
		return nil, err
	}
	n := &node{address: ln.Addr().String(), gone: make(chan struct{})}
	if err := ln.Close(); err != nil {
		return nil, err
	}
	n.cmd = exec.Command(o.backend, "serve", "--models", repository, "--http", n.address, "--grpc", "", "--device", "cpu", "--log-level", "warn")
	n.cmd.Env = append(os.Environ(), "ORT_LIBRARY="+o.library)
	n.cmd.Stdout, n.cmd.Stderr = &n.said, &n.said
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := affinity.Pinned(cpus, n.cmd.Start); err != nil {
		return nil, fmt.Errorf("cannot start the node: %w", err)
	}
	go func() {
		defer close(n.gone)
		_ = n.cmd.Wait() // how it ended is in ProcessState
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if status, _, err := n.call(http.MethodGet, "/v2/health/ready", nil); err == nil && status == http.StatusOK {
			return n, nil
		}
		select {
		case <-n.gone:
			return nil, fmt.Errorf("the node ended (%s): %s", n.cmd.ProcessState, n.said.String())
		default:
		}
		if time.Now().After(deadline) {
			n.stop()
			return nil, fmt.Errorf("the node is not ready after %s: %s", patience, n.said.String())
		}
	}
}

// stop ends the node.
func (n *node) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-n.gone:
	case <-time.After(patience):
		_ = n.cmd.Process.Kill()
		<-n.gone
	}
}

// call makes a request beside the load.
func (n *node) call(method, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequest(method, "http://"+n.address+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, errors.Join(err, response.Body.Close())
}

// cpuTime is what the node has used so far, of user and system time.
func (n *node) cpuTime() (time.Duration, error) {
	stat, err := os.ReadFile(n.proc("stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name is "(backend)"
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s has %d fields after the name", n.proc("stat"), len(fields))
	}
	var used time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		used += time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	}
	return used, nil
}

// resident is the node's memory in bytes.
func (n *node) resident() (int, error) {
	statm, err := os.ReadFile(n.proc("statm"))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	return pages * os.Getpagesize(), err
}

func (n *node) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), file)
}

// counts reads how many rows of a model have been answered, in how many runs.
func (n *node) counts(model string) (rows, runs float64, err error) {
	_, text, err := n.call(http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, 0, err
	}
	for series, value := range map[string]*float64{"nv_inference_count": &rows, "nv_inference_exec_count": &runs} {
		_, rest, ok := bytes.Cut(text, []byte(series+`{model="`+model+`",version="1"} `))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		if *value, err = strconv.ParseFloat(string(line), 64); err != nil || !ok {
			return 0, 0, fmt.Errorf("the node's metrics have no %s of %s", series, model)
		}
	}
	return rows, runs, nil
}

// threads are the ids of this process's threads.
func threads() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
