//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ganglion/bench/harness"
	"ganglion/internal/stack"
)

// node is the process under test.
type node struct {
	*harness.Process
	address string
}

// startNode runs the node on its cores and waits until it is ready.
func startNode(o *options, repository string, cpus []int) (*node, error) {
	free, err := stack.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	n := &node{address: free[0]}
	n.Process, err = harness.Start("the node", cpus, []string{"ORT_LIBRARY=" + o.library},
		o.backend, "serve", "--models", repository, "--http", n.address, "--grpc", "", "--device", "cpu", "--log-level", "warn")
	if err != nil {
		return nil, err
	}
	if err := n.Await(n.ready); err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

// ready is nil when all models are loaded.
func (n *node) ready() error {
	status, answer, err := n.call(http.MethodGet, "/v2/health/ready", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("it answers %d: %s", status, answer)
	}
	return err
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
	return filepath.Join("/proc", strconv.Itoa(n.PID()), file)
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
