//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a program that the benchmark started. It dies with the benchmark, even when that is killed.
type process struct {
	name string
	cmd  *exec.Cmd
	said lastWords
	gone chan struct{} // closed when it has ended
}

// readyTime is how long a process may take to come up or to go: all of them take a few milliseconds on an idle machine.
const readyTime = 10 * time.Second

func startProcess(name string, argv ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), gone: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.WaitDelay = 100 * time.Millisecond // children that it left behind may hold its output open
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

// stop asks the process to end, and kills its whole group when it does not. A nil process is none.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.gone:
	case <-time.After(readyTime):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // children it left behind
	<-p.gone
}

// await calls ready until it says yes.
func (p *process) await(ready func() bool) error {
	for deadline := time.Now().Add(readyTime); !ready(); time.Sleep(20 * time.Millisecond) {
		if p != nil {
			select {
			case <-p.gone:
				return fmt.Errorf("%s ended (%s): %s", p.name, p.cmd.ProcessState, p.said.String())
			default:
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no good answer within %s", readyTime)
		}
	}
	return nil
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *lastWords) Write(p []byte) (int, error) {
	const most = 4 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if extra := len(l.text) - most; extra > 0 {
		l.text = append(l.text[:0], l.text[extra:]...)
	}
	return len(p), nil
}

// String is what was said last.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.TrimSpace(l.text))
}
