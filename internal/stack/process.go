package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is one child process that answers HTTP. It can be killed and started again on the same port.
type Process struct {
	name          string
	address, grpc string
	readyURL      string
	readyTimeout  time.Duration
	command       func() *exec.Cmd
	output        *transcript

	mu      sync.Mutex
	current *incarnation // nil before the first start
}

// incarnation is one run of a Process.
type incarnation struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has been waited for
	err  error         // how it ended; read after done

	meant atomic.Bool // to be gone: by Kill or Stop
}

func (s *Stack) process(name, address, grpc, readyURL, program string, args []string) *Process {
	p := &Process{
		name: name, address: address, grpc: grpc, readyURL: readyURL, readyTimeout: s.cfg.ReadyTimeout,
		output: &transcript{prefix: "[" + name + "] ", to: s.cfg.Out},
	}
	env := append(os.Environ(), s.environment()...)
	p.command = func() *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, p.output, p.output
		cmd.SysProcAttr = childAttributes()
		cmd.WaitDelay = time.Second // for children of its own that hold its output open
		return cmd
	}
	return p
}

// Name is "gateway", "node-1", "node-2" and so on.
func (p *Process) Name() string { return p.name }

// Address is where the process listens, "127.0.0.1:15123".
func (p *Process) Address() string { return p.address }

// GRPC is where the process listens for gRPC.
func (p *Process) GRPC() string { return p.grpc }

// PID is the process's id, or that of its last run.
func (p *Process) PID() int { return p.run().cmd.Process.Pid }

// Ended is closed once the process, in the run it is in now, has ended.
func (p *Process) Ended() <-chan struct{} { return p.run().done }

// Output is what the process has written last, on stdout and stderr, over all its runs.
func (p *Process) Output() string { return p.output.tail() }

// Signal sends sig to the process and its children.
func (p *Process) Signal(sig syscall.Signal) error { return p.run().signal(sig) }

// Kill ends the process with SIGKILL, its children too, and waits until it is gone.
func (p *Process) Kill() error {
	r := p.run()
	r.meant.Store(true)
	if err := r.signal(syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s: cannot kill: %w", p.name, err)
	}
	<-r.done
	return nil
}

// Stop ends the process with SIGTERM, and SIGKILL after timeout, and waits until it is gone. The error is that of an end
// that was not good. The process can be restarted.
func (p *Process) Stop(timeout time.Duration) error {
	err := p.stop(timeout)
	p.run().meant.Store(true)
	return err
}

// Restart starts the process again, where it was, and waits until it is ready. It is stopped first if it runs.
func (p *Process) Restart(ctx context.Context, stopTimeout time.Duration) error {
	if err := p.stop(stopTimeout); err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	return p.awaitReady(ctx)
}

func (p *Process) run() *incarnation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *Process) start() error {
	r := &incarnation{cmd: p.command(), done: make(chan struct{})}
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", p.name, err)
	}
	p.mu.Lock()
	p.current = r
	p.mu.Unlock()
	go func() {
		defer close(r.done)
		r.err = r.cmd.Wait()
	}()
	return nil
}

// signal reaches the whole process group, since each child leads its own.
func (r *incarnation) signal(sig syscall.Signal) error { return syscall.Kill(-r.cmd.Process.Pid, sig) }

func (r *incarnation) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// stop ends the process if it runs. The error says that it had ended before, did not end well or in time, or has left
// children behind; it is dead in any case.
func (p *Process) stop(timeout time.Duration) error {
	r := p.run()
	if r == nil {
		return nil
	}
	var errs []error
	if r.ended() {
		if !r.meant.Load() {
			errs = append(errs, fmt.Errorf("%s had ended by itself: %w%s", p.name, orNil(r.err), p.lastWords()))
		}
	} else if err := r.terminate(timeout); err != nil {
		errs = append(errs, fmt.Errorf("%s %w%s", p.name, err, p.lastWords()))
	}
	if r.signal(syscall.SIGKILL) == nil {
		errs = append(errs, fmt.Errorf("%s left child processes behind; they were killed", p.name))
	}
	return errors.Join(errs...)
}

// terminate asks a running process to end, and makes it end if it does not.
func (r *incarnation) terminate(timeout time.Duration) error {
	_ = r.signal(syscall.SIGTERM) // if it is gone by now, so much the better
	_ = r.signal(syscall.SIGCONT) // a frozen one cannot end
	select {
	case <-r.done:
		if r.err != nil {
			return fmt.Errorf("did not stop well: %w", r.err)
		}
		return nil
	case <-time.After(timeout):
		_ = r.signal(syscall.SIGKILL)
		<-r.done
		return fmt.Errorf("did not stop within %s and was killed", timeout)
	}
}

// awaitReady polls until the process answers that it is ready.
func (p *Process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.readyTimeout)
	defer cancel()
	r := p.run()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for last := errors.New("it did not answer"); ; {
		if err := ask(ctx, p.readyURL); err == nil {
			return nil
		} else if ctx.Err() == nil {
			last = err
		}
		select {
		case <-r.done:
			return fmt.Errorf("%s ended before it was ready: %w%s", p.name, orNil(r.err), p.lastWords())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%s was not ready within %s: %w%s", p.name, p.readyTimeout, last, p.lastWords())
		case <-poll.C:
		}
	}
}

// orNil gives a process that ended well, but too early, an error to show.
func orNil(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// ask reports whether url answers 200.
func ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true // no idle connection is to hold up a drain
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func (p *Process) lastWords() string {
	words := strings.TrimSpace(p.output.tail())
	if words == "" {
		return "; it said nothing"
	}
	return "; its last lines:\n" + words
}
