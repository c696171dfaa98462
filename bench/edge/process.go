//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"ganglion/bench/affinity"
)

// patience is how long a process may take to come up or to go: all of them take
// a few milliseconds on an idle machine.
const patience = 10 * time.Second

// process is a program that the benchmark started.
type process struct {
	name string
	cmd  *exec.Cmd
	said *tail
	gone chan struct{} // closed when it has ended
}

// start runs argv on the given cores, with env added to our own. The program
// dies with the benchmark, even when that is killed.
func start(name string, cpus []int, env []string, argv ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), said: new(tail), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.WaitDelay = 100 * time.Millisecond // for last words: children that it left behind may hold its output open
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := affinity.Pinned(cpus, p.cmd.Start); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

// pid is the process whose descendants are the program.
func (p *process) pid() int { return p.cmd.Process.Pid }

// ended says why the process is gone, or nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.gone:
		return fmt.Errorf("%s ended (%s): %s", p.name, p.cmd.ProcessState, p.said)
	default:
		return nil
	}
}

// stop asks the process to end, and its whole group to when it does not.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.gone:
	case <-time.After(patience):
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // children it left behind
	<-p.gone
}

// waitFor calls ready until it returns nil.
func (p *process) waitFor(ready func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if gone := p.ended(); gone != nil {
			return gone
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w: %s", p.name, patience, err, p.said)
		}
		time.Sleep(20 * time.Millisecond) // a poll with a deadline, not a guess
	}
}

// tailSize is how much of what a program says is kept: its last words.
const tailSize = 4 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String is what was said last.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := strings.TrimSpace(string(t.text)); s != "" {
		return s
	}
	return "it said nothing"
}

// errNoTool is a program that setup.sh would have installed.
var errNoTool = errors.New("not installed: bench/setup.sh installs it")

// lookTool finds a program, also where Debian keeps its daemons.
func lookTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s: %w", name, errNoTool)
}
