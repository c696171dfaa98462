package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// process is the program as its own process.
type process struct {
	*exec.Cmd
	config  string      // its file
	clients string      // where it serves them
	said    chan string // its log from then on
}

// launch starts the program and waits until it is ready.
func launch(t *testing.T, config string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, config)
	p := &process{Cmd: exec.CommandContext(context.Background(), exe, "run", "--config", file), config: file}
	p.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	lines := bufio.NewScanner(stderr)
	for p.clients == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "msg=serving address="); ok {
			p.clients, _, _ = strings.Cut(rest, " ")
		}
	}
	if p.clients == "" {
		t.Fatal("the program ended before it served")
	}
	p.said = make(chan string, 1000)
	go func() {
		defer close(p.said)
		for lines.Scan() {
			p.said <- lines.Text()
		}
	}()
	return p
}

// waitSaid waits for a line of the program's log.
func (p *process) waitSaid(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case line, ok := <-p.said:
			if !ok {
				t.Fatalf("the program ended before it said %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			t.Fatalf("the program never said %q", text)
		}
	}
}

// beside is a gateway, as its own process, in front of one node.
type beside struct {
	*process
	node      *testnode.Node
	accessLog string
	client    *http.Client
}

func launchBeside(t *testing.T) *beside {
	t.Helper()
	n := testnode.Start(t)
	accessLog := filepath.Join(t.TempDir(), "access.log")
	config := fmt.Sprintf("[server]\nhttp = \"127.0.0.1:0\"\ngrpc = \"\"\nadmin = \"\"\ndrain_delay = \"10ms\"\n[log]\naccess = %q\n"+
		"[pools.main]\nnodes = [{ address = %q }]\n[routes.\"*\"]\npool = \"main\"\n", accessLog, n.Address())
	b := &beside{node: n, accessLog: accessLog, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	b.process = launch(t, config)
	t.Cleanup(b.client.CloseIdleConnections)
	return b
}

// infer sends a request, with an id if that is not "", and returns its status.
func (b *beside) infer(id string) (int, error) {
	req, err := http.NewRequest("POST", "http://"+b.clients+"/v2/models/m/infer", strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

// stopListening sends SIGTERM and waits until nobody is let in.
func (b *beside) stopListening(t *testing.T) {
	t.Helper()
	b.Process.Signal(syscall.SIGTERM)
	waitFor(t, func() bool { _, err := net.Dial("tcp", b.clients); return err != nil })
}

func TestSIGTERMFinishesWhatIsInFlight(t *testing.T) {
	b := launchBeside(t)
	release := b.node.Hang()
	defer release()
	got := make(chan int, 1)
	go func() {
		status, err := b.infer("")
		if err != nil {
			t.Errorf("the request in flight: %v", err)
		}
		got <- status
	}()
	waitFor(t, func() bool { return b.node.Requests() == 1 })
	b.stopListening(t)
	release()
	b.node.Heal()
	if status := <-got; status != 200 {
		t.Errorf("the request in flight got %d", status)
	}
	if err := b.Wait(); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
	if log, err := os.ReadFile(b.accessLog); err != nil || !strings.Contains(string(log), `"status":200`) {
		t.Errorf("the access log holds %q (%v)", log, err)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	b := launchBeside(t)
	release := b.node.Hang()
	defer release()
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		b.infer("") // whatever comes of it
	}()
	waitFor(t, func() bool { return b.node.Requests() == 1 })
	b.stopListening(t)
	b.Process.Signal(syscall.SIGTERM)
	b.waitSaid(t, "second signal: ending at once")
	if b.Wait(); b.ProcessState.ExitCode() != 1 {
		t.Errorf("ended with %s, want exit code 1", b.ProcessState)
	}
	<-cut
}

func TestSIGHUPGoesOnInANewAccessLog(t *testing.T) {
	b := launchBeside(t)
	old := b.accessLog + ".1"
	ask := func(id string) {
		t.Helper()
		if _, err := b.infer(id); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(file, id string) bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), `"id":"`+id+`"`)
	}
	ask("first")
	waitFor(t, func() bool { return holds(b.accessLog, "first") })
	if err := os.Rename(b.accessLog, old); err != nil {
		t.Fatal(err)
	}
	ask("between")
	waitFor(t, func() bool { return holds(old, "between") })
	b.Process.Signal(syscall.SIGHUP)
	b.waitSaid(t, "reopened the access log")
	ask("after")
	waitFor(t, func() bool { return holds(b.accessLog, "after") })
	if holds(old, "after") || holds(b.accessLog, "between") {
		t.Error("a line is in the wrong file")
	}
	b.Process.Signal(syscall.SIGTERM)
	if err := b.Wait(); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
}
