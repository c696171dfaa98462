package stack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helpers is a configuration whose gateway and nodes are this test binary.
func helpers(t *testing.T, mode string) Config {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Gateway: exe, Backend: exe, Models: t.TempDir(), Env: []string{"STACK_TEST_MODE=" + mode, "GORACE=atexit_sleep_ms=0"}, // the race detector sleeps at exit
		ReadyTimeout: time.Minute, StopTimeout: time.Minute,
	}
}

func begin(t *testing.T, cfg Config) *Stack {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func status(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestStartAndStop(t *testing.T) {
	var out bytes.Buffer
	var steps []string
	cfg := helpers(t, "")
	cfg.Out, cfg.Progress = &out, func(step string) { steps = append(steps, step) }
	cfg.NodeArgs = []string{"--device", "cpu"}
	s := begin(t, cfg)
	all := append([]*Process{s.Gateway()}, s.Nodes()...)
	if len(all) != 3 {
		t.Fatalf("got %d processes, want 3", len(all))
	}
	if status(t, s.AdminURL()+"/readyz") != 200 || status(t, s.GatewayURL()+"/readyz") != 200 {
		t.Error("the gateway does not answer where it should")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	for _, p := range all {
		if !gone(p.PID()) {
			t.Errorf("%s (pid %d) is still there", p.Name(), p.PID())
		}
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("%s was left behind", s.dir)
	}
	n := s.Nodes()[1]
	want := fmt.Sprintf("[node-2] args: [serve --models %s --http %s --grpc %s --id node-2 --device cpu]\n", cfg.Models, n.Address(), n.GRPC())
	if !strings.Contains(out.String(), want) {
		t.Errorf("output lacks %q:\n%s", want, out.String())
	}
	if want := fmt.Sprintf("node-2 is ready on %s (pid %d)", n.Address(), n.PID()); len(steps) != 3 || steps[1] != want {
		t.Errorf("progress %q, want 3 steps with %q", steps, want)
	}
}

func TestKillAndRestartOnTheSamePort(t *testing.T) {
	s := begin(t, helpers(t, ""))
	n := s.Nodes()[0]
	url, pid := "http://"+n.Address()+"/v2/health/ready", n.PID()
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := status(t, url); got != 0 || !gone(pid) {
		t.Errorf("a killed node answers %d, gone %t", got, gone(pid))
	}
	if err := n.Restart(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if got := status(t, url); got != 200 || n.PID() == pid {
		t.Errorf("a restarted node answers %d, pid %d then %d", got, pid, n.PID())
	}
	if err := s.Stop(); err != nil {
		t.Errorf("a node killed on purpose is no failure: %v", err)
	}
}

func TestFrozenProcessCanBeStopped(t *testing.T) {
	s := begin(t, helpers(t, ""))
	if err := s.Nodes()[0].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func TestFailuresNameTheProcess(t *testing.T) {
	for mode, want := range map[string]string{
		"node crashes":           "node-1 ended before it was ready: exit status 3; its last lines:\n|cannot find the meaning of life",
		"gateway crashes":        "gateway ended before it was ready: exit status 3; its last lines:\n|cannot find the meaning of life",
		"gateway is never ready": "gateway was not ready within 5s: 503 Service Unavailable: still loading; its last lines:\n|args: [run --config ",
	} {
		t.Run(mode, func(t *testing.T) {
			cfg := helpers(t, mode)
			if strings.Contains(mode, "never") {
				cfg.ReadyTimeout = 5 * time.Second // the nodes need some of it
			}
			_, err := Start(t.Context(), cfg)
			head, tail, _ := strings.Cut(want, "|")
			if err == nil || !strings.HasPrefix(err.Error(), head) || !strings.Contains(err.Error(), tail) {
				t.Errorf("got  %v\nwant %s…%s", err, head, tail)
			}
		})
	}
}

func TestWhatStopReports(t *testing.T) {
	t.Run("SIGTERM ignored", func(t *testing.T) {
		cfg := helpers(t, "gateway ignores SIGTERM")
		cfg.StopTimeout = 100 * time.Millisecond
		s := begin(t, cfg)
		err := s.Stop()
		if err == nil || !strings.HasPrefix(err.Error(), "gateway did not stop within 100ms and was killed; its last lines:") {
			t.Errorf("got %v", err)
		}
		if !gone(s.Gateway().PID()) {
			t.Error("it is still there")
		}
	})
	t.Run("crash", func(t *testing.T) {
		s := begin(t, helpers(t, ""))
		status(t, "http://"+s.Nodes()[1].Address()+"/crash")
		<-s.Nodes()[1].Ended() // its connection breaks before its end is known
		err := s.Stop()
		if err == nil || !strings.HasPrefix(err.Error(), "node-2 had ended by itself: exit status 4; its last lines:") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("children left behind", func(t *testing.T) {
		s := begin(t, helpers(t, "gateway has a child"))
		var child int
		_, after, _ := strings.Cut(s.Gateway().Output(), "child: ")
		if _, err := fmt.Sscan(after, &child); err != nil {
			t.Fatalf("no child in %q", s.Gateway().Output())
		}
		err := s.Stop()
		if err == nil || !strings.Contains(err.Error(), "gateway left child processes behind; they were killed") {
			t.Errorf("got %v", err)
		}
		if end := time.Now().Add(time.Minute); !gone(child) {
			for !gone(child) && time.Now().Before(end) {
				time.Sleep(time.Millisecond)
			}
			if !gone(child) && !zombie(child) {
				t.Errorf("child %d is still there", child)
			}
		}
	})
}

// zombie reports whether a dead process merely waits for somebody to take note (there may be no init to do it).
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	address := ln.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	for who, set := range map[string]func(*Config){
		"gateway":              func(c *Config) { c.HTTP = address },
		"gateway's admin port": func(c *Config) { c.Admin = address },
		"node-1":               func(c *Config) { c.NodeAddresses = []string{address} },
	} {
		cfg := helpers(t, "")
		set(&cfg)
		want := fmt.Sprintf("in use: port %s (%s, %s)", port, who, address)
		if _, err := Start(t.Context(), cfg); !errors.Is(err, ErrPortInUse) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestMissingPieces(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nothing")
	cfg := helpers(t, "")
	cfg.Gateway = missing
	if _, err := Start(t.Context(), cfg); err == nil || err.Error() != "cannot run "+missing+": no such file or directory (make build builds it)" {
		t.Errorf("no program: got %v", err)
	}
	cfg = helpers(t, "")
	cfg.Models = missing
	if _, err := Start(t.Context(), cfg); err == nil || err.Error() != fmt.Sprintf("cannot read the model repository %q: no such file or directory", missing) {
		t.Errorf("no models: got %v", err)
	}
}

func TestCancelWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := helpers(t, "gateway is never ready")
	cfg.Progress = func(step string) {
		if strings.HasPrefix(step, "node-2") {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
	}
	if _, err := Start(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
}

// TestChildrenDieWithTheParent kills a program that has started a stack.
func TestChildrenDieWithTheParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells children of their parent's death")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "parent")
	cmd.Env = append(os.Environ(), "STACK_TEST_MODE=", "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids [3]int
	if _, err := fmt.Sscan(line, &pids[0], &pids[1], &pids[2]); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		left := 0
		for _, pid := range pids {
			if !gone(pid) && !zombie(pid) {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %v outlive their parent", left, pids)
		}
	}
}

func TestTranscriptKeepsTheLastWholeLines(t *testing.T) {
	var out bytes.Buffer
	tr := &transcript{prefix: "> ", to: &out}
	for _, part := range []string{"on", "e\ntwo\n", "", "three", "\n" + strings.Repeat("x", 5000), "y\nlast"} {
		if n, err := tr.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write(%.10q) = %d, %v", part, n, err)
		}
	}
	if want := "> one\n> two\n> three\n> " + strings.Repeat("x", longest) + "\n"; out.String() != want {
		t.Errorf("passed on %.60q…", out.String())
	}
	if want := "one\ntwo\nthree\n" + strings.Repeat("x", longest) + "\nlast"; tr.tail() != want {
		t.Errorf("remembers %.60q…", tr.tail())
	}
	for range 100 {
		fmt.Fprintln(tr, "more")
	}
	if n := strings.Count(tr.tail(), "more"); n != keptLines {
		t.Errorf("remembers %d lines, want %d", n, keptLines)
	}
}
