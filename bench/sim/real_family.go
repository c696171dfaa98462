package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// asChild in the environment makes this program be a node or a gateway: its value says which.
const asChild = "GANGLION_SIM_CHILD"

// family are the processes of one run.
type family struct {
	stderr   io.Writer
	children []*exec.Cmd
	stdins   []io.Closer
}

// start starts this program again as a child of that kind, and returns the address that it listens on. The child ends when its
// standard input does, so that it cannot outlive us, however we end.
func (f *family) start(ctx context.Context, kind string, args ...string) (address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	child := exec.CommandContext(ctx, self, args...)
	child.Env = append(os.Environ(), asChild+"="+kind)
	child.Stderr = f.stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := child.Start(); err != nil {
		return "", err
	}
	f.children, f.stdins = append(f.children, child), append(f.stdins, stdin)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("a %s did not say where it listens: %w", kind, err)
	}
	return strings.TrimSpace(line), nil
}

// end ends all children and waits for them.
func (f *family) end() {
	for _, stdin := range f.stdins {
		stdin.Close()
	}
	var ending sync.WaitGroup
	for _, child := range f.children {
		ending.Go(func() {
			late := time.AfterFunc(5*time.Second, func() { _ = child.Process.Kill() })
			defer late.Stop()
			_ = child.Wait() // we told it to end; how it did is of no interest
		})
	}
	ending.Wait()
}

// beChild is what a child does: it listens, says where, and serves until its standard input ends.
func beChild(kind string, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, stdin) // until the parent has gone
	}()
	ready := func() { fmt.Fprintln(stdout, ln.Addr()) }
	switch kind {
	case "node":
		return beNode(ctx, args, ln, ready, stderr)
	case "gateway":
		return beGateway(ctx, args, ln, ready, stderr)
	}
	return errors.Join(ln.Close(), fmt.Errorf("%s=%q: accepted are node and gateway", asChild, kind))
}
