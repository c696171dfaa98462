// Package stack runs a gateway and its nodes as child processes on loopback, for the demo, end to end tests and
// measurements.
//
// It owns processes, their ports and the gateway.toml it writes for them, and gives all of it back: when Stop returns,
// everything it started is dead. It refuses to build anything, to guess what a process meant by failing (it quotes its
// last words) and to start beside a process that already holds a port.
//
// Concurrency: a Stack and its Processes may be used from several goroutines; Stop waits for nobody but the processes.
// On Linux the children die with the parent, however that dies.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config says what to run. Only BinDir (or both programs) and Models are needed.
type Config struct {
	BinDir  string // holds gateway, backend and lib/, as make build leaves them
	Gateway string // the program, if not BinDir/gateway
	Backend string // the program, if not BinDir/backend
	Library string // ORT_LIBRARY for the nodes; "" = what they find by themselves
	Models  string // the model repository

	Nodes         int      // how many nodes, on free ports; 0 = as NodeAddresses says, or two
	NodeAddresses []string // where the nodes listen, in place of Nodes free ports
	NodeGRPC      []string // where they listen for gRPC, one for each node; nil = free ports
	// Where the gateway listens; "" = a free port each.
	HTTP, GRPC, Admin string

	// GatewayConfig is the text of gateway.toml; "" = every model, from all nodes, without a cache. It names the
	// addresses as ${STACK_HTTP}, ${STACK_GRPC}, ${STACK_ADMIN}, ${STACK_NODE_1}, ${STACK_NODE_2} and so on, and where the
	// nodes speak gRPC as ${STACK_NODE_GRPC_1} and so on, unless it repeats what is given above.
	GatewayConfig string
	NodeArgs      []string // further flags for each node
	Env           []string // further environment for all, NAME=value

	ReadyTimeout time.Duration // for each process to become ready; 0 = 30 s, since a cold disk and two cores are slow
	StopTimeout  time.Duration // from SIGTERM to SIGKILL; 0 = 25 s, longer than the gateway's drain_timeout
	Out          io.Writer     // gets all output of the processes, each line with its process's name; nil = none
	Progress     func(step string)
}

// Stack is a gateway and its nodes, running.
type Stack struct {
	cfg     Config
	dir     string // holds gateway.toml
	gateway *Process
	nodes   []*Process

	http, grpc, admin string
	nodeGRPC          []string // parallel to nodes

	stop    sync.Once
	stopErr error
}

// Start starts the nodes, waits until they are ready, and then does the same with the gateway. If anything fails, or ctx
// ends before all are ready, what has been started is stopped again; the error names the process and quotes its last
// lines. Once Start has returned, ctx means nothing to the stack.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	s := &Stack{cfg: cfg.withDefaults()}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.removeDir())
	}
	if err := s.start(ctx); err != nil {
		_ = s.Stop() // it would say the same again
		return nil, err
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Gateway == "" {
		c.Gateway = filepath.Join(c.BinDir, "gateway")
	}
	if c.Backend == "" {
		c.Backend = filepath.Join(c.BinDir, "backend")
	}
	if c.Nodes == 0 {
		c.Nodes = 2
	}
	if c.ReadyTimeout == 0 {
		c.ReadyTimeout = 30 * time.Second
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = 25 * time.Second
	}
	if c.Out == nil {
		c.Out = io.Discard
	}
	c.Out = &shared{to: c.Out}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// prepare checks what can be checked and writes gateway.toml; it starts nothing.
func (s *Stack) prepare() error {
	for _, program := range []string{s.cfg.Gateway, s.cfg.Backend} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("cannot run %s: %w (make build builds it)", program, errors.Unwrap(err))
		}
	}
	if _, err := os.Stat(s.cfg.Models); err != nil {
		return fmt.Errorf("cannot read the model repository %q: %w", s.cfg.Models, errors.Unwrap(err))
	}
	if err := s.choosePorts(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ganglion-")
	if err != nil {
		return err
	}
	s.dir = dir
	return os.WriteFile(s.configFile(), []byte(s.gatewayConfig()), 0o600)
}

func (s *Stack) configFile() string { return filepath.Join(s.dir, "gateway.toml") }

func (s *Stack) start(ctx context.Context) error {
	for i, address := range s.cfg.NodeAddresses {
		s.nodes = append(s.nodes, s.node(i+1, address, s.nodeGRPC[i]))
	}
	for _, n := range s.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	for _, n := range s.nodes {
		if err := n.awaitReady(ctx); err != nil {
			return err
		}
		s.cfg.Progress(fmt.Sprintf("%s is ready on %s (pid %d)", n.Name(), n.Address(), n.PID()))
	}
	s.gateway = s.edge()
	if err := s.gateway.start(); err != nil {
		return err
	}
	if err := s.gateway.awaitReady(ctx); err != nil {
		return err
	}
	s.cfg.Progress(fmt.Sprintf("gateway is ready on %s (pid %d)", s.http, s.gateway.PID()))
	return nil
}

func (s *Stack) node(number int, address, grpc string) *Process {
	name := fmt.Sprintf("node-%d", number)
	args := append([]string{"serve", "--models", s.cfg.Models, "--http", address, "--grpc", grpc, "--id", name}, s.cfg.NodeArgs...)
	return s.process(name, address, grpc, "http://"+address+"/v2/health/ready", s.cfg.Backend, args)
}

func (s *Stack) edge() *Process {
	return s.process("gateway", s.http, s.grpc, s.AdminURL()+"/readyz", s.cfg.Gateway, []string{"run", "--config", s.configFile()})
}

// Stop ends all processes, the gateway first, each with SIGTERM and then SIGKILL, and removes what Start wrote. The
// error names processes that had ended before, had to be killed, failed, or left children behind (these are killed too).
// Further calls return the same.
func (s *Stack) Stop() error {
	s.stop.Do(func() {
		var errs []error
		if s.gateway != nil {
			errs = append(errs, s.gateway.stop(s.cfg.StopTimeout))
		}
		var wait sync.WaitGroup
		nodeErrs := make([]error, len(s.nodes))
		for i, n := range s.nodes {
			wait.Go(func() { nodeErrs[i] = n.stop(s.cfg.StopTimeout) })
		}
		wait.Wait()
		s.stopErr = errors.Join(append(append(errs, nodeErrs...), s.removeDir())...)
	})
	return s.stopErr
}

func (s *Stack) removeDir() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// GatewayURL is where clients go, without a slash at the end.
func (s *Stack) GatewayURL() string { return "http://" + s.http }

// GRPC is where clients go that speak gRPC, "127.0.0.1:15124".
func (s *Stack) GRPC() string { return s.grpc }

// AdminURL is where operators go, without a slash at the end.
func (s *Stack) AdminURL() string { return "http://" + s.admin }

// Gateway is the gateway's process.
func (s *Stack) Gateway() *Process { return s.gateway }

// Nodes are the nodes' processes, in the order of their addresses.
func (s *Stack) Nodes() []*Process { return s.nodes }
