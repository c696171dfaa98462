package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"ganglion/internal/stack"
)

// patience is how long a test waits for something that should happen soon. It is only spent when a test fails.
const patience = 60 * time.Second

// uncached serves every model from all nodes and caches nothing: every request reaches a node.
const uncached = `
[server]
http = "${STACK_HTTP}"
grpc = "${STACK_GRPC}"
admin = "${STACK_ADMIN}"
[log]
access = "off"
[pools.main]
nodes = [ { address = "${STACK_NODE_1}" }, { address = "${STACK_NODE_2}" } ]
[routes."*"]
pool = "main"
` + patient

// patient keeps a node that the machine has no time for from being given up, which costs failures where the other is gone.
const patient = `
[upstream]
connect_timeout = "10s"
[pools.main.health]
timeout = "10s"
`

// start runs a gateway with two nodes and stops them when the test ends. That none of them reported a race, died or had
// to be killed is part of every test.
func start(t *testing.T, cfg stack.Config) *stack.Stack {
	t.Helper()
	cfg.Gateway, cfg.Backend, cfg.Library = programs.gateway, programs.backend, library(t)
	if cfg.Models == "" {
		cfg.Models = "../models"
	}
	s, err := stack.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		for _, p := range append(s.Nodes(), s.Gateway()) {
			if out := p.Output(); strings.Contains(out, "DATA RACE") || strings.Contains(out, "BUG:") {
				t.Errorf("%s reported:\n%s", p.Name(), out)
			}
		}
	})
	return s
}

// until polls a condition and fails the test when it does not come true in time.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s in vain: %s", patience, what)
		case <-tick.C:
		}
	}
}

// nodeStatus is what the gateway's status page says of a node.
type nodeStatus struct {
	Address  string `json:"address"`
	State    string `json:"state"`
	InFlight int64  `json:"in_flight"`
	Attempts uint64 `json:"attempts"`
}

func statusOf(t *testing.T, client *http.Client, s *stack.Stack, node *stack.Process) nodeStatus {
	t.Helper()
	var status struct {
		Pools []struct {
			Nodes []nodeStatus `json:"nodes"`
		} `json:"pools"`
	}
	r := ask(t, client, http.MethodGet, s.AdminURL()+"/status", "")
	if err := json.Unmarshal([]byte(r.body), &status); err != nil {
		t.Fatalf("status page: %v in %s", err, r.body)
	}
	for _, pool := range status.Pools {
		for _, n := range pool.Nodes {
			if n.Address == node.Address() {
				return n
			}
		}
	}
	t.Fatalf("the status page does not know %s: %s", node.Address(), r.body)
	return nodeStatus{}
}
