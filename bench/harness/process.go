//go:build linux

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"ganglion/bench/affinity"
)

// patience is how long a process may take to come up or to go: most take a few milliseconds on an idle machine, a node that
// loads models takes seconds on a busy one.
const patience = time.Minute

// Process is a program that a benchmark has started. It has a goroutine that waits for it, which ends with Stop.
//
// A nil Process is none: whoever is asked without a proxy in between has no process to wait for.
type Process struct {
	name string
	cmd  *exec.Cmd
	said tail
	gone chan struct{} // closed when it has ended
}

// Start runs argv on the given cores, on any if there are none, with env added to our own. The program dies with the
// benchmark, even when that is killed.
func Start(name string, cpus []int, env []string, argv ...string) (*Process, error) {
	p := &Process{name: name, cmd: exec.Command(argv[0], argv[1:]...), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.WaitDelay = 100 * time.Millisecond // for last words: children that it left behind may hold its output open
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	start := p.cmd.Start
	if len(cpus) > 0 {
		start = func() error { return affinity.Pinned(cpus, p.cmd.Start) }
	}
	if err := start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

// PID is the process whose descendants are the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Said is the end of what the program has said, without the space around it.
func (p *Process) Said() string { return p.said.String() }

// Ended says why the process is gone, or nil while it runs.
func (p *Process) Ended() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.gone:
		return fmt.Errorf("%s ended (%s)%s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
		return nil
	}
}

// lastWords end a message about the process.
func (p *Process) lastWords() string {
	if p == nil {
		return ""
	}
	if said := p.Said(); said != "" {
		return ": " + said
	}
	return ": it said nothing"
}

// Stop asks the process to end, and makes its whole group end when it does not.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.gone:
	case <-time.After(patience):
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // children it left behind
	<-p.gone
}

// Await calls ready until it returns nil.
func (p *Process) Await(ready func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := ready()
		if err == nil {
			return nil
		}
		if gone := p.Ended(); gone != nil {
			return gone
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is not ready after %s: %w%s", patience, err, p.lastWords())
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

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String is what is kept, without the space around it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
