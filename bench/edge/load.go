//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ganglion/bench/affinity"
)

// loaded is what one run of wrk reports.
type loaded struct {
	Requests   int64 `json:"requests"`
	DurationUS int64 `json:"duration_us"`
	P50US      int64 `json:"p50_us"`
	P99US      int64 `json:"p99_us"`
	Failed     int64 `json:"failed"` // refused, reset, timed out, or not answered with a 2xx
	cpu        time.Duration
}

// patience is how long a client waits for an answer, which takes milliseconds on an idle machine.
const patience = 10 * time.Second

// load asks url for d with so many clients at once, each asking again as soon as
// it is answered, with the questions of script. A failed request fails the run: the others then measured
// something else than what the table says.
func (b *bench) load(ctx context.Context, name, url string, clients int, d time.Duration) (loaded, error) {
	script := filepath.Join(b.dir, name)
	if err := copyConfig(name, script); err != nil {
		return loaded{}, err
	}
	cmd := exec.CommandContext(ctx, b.tools["wrk"], "--threads", "1", "--connections", strconv.Itoa(clients),
		"--duration", fmt.Sprintf("%ds", int(d.Seconds())), "--timeout", fmt.Sprintf("%ds", int(patience.Seconds())),
		"--script", script, url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := affinity.Pinned(b.cores.rest, cmd.Start); err != nil {
		return loaded{}, err
	}
	if err := cmd.Wait(); err != nil {
		return loaded{}, errors.Join(ctx.Err(), fmt.Errorf("wrk: %w: %s", err, &out))
	}
	l, err := parseLoad(out.String())
	l.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return l, err
}

// parseLoad finds the line that load.lua prints.
func parseLoad(out string) (loaded, error) {
	var l loaded
	_, result, found := strings.Cut(out, "RESULT ")
	if !found {
		return l, fmt.Errorf("wrk printed no result: %s", out)
	}
	line, _, _ := strings.Cut(result, "\n")
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		return l, fmt.Errorf("wrk printed %q: %w", line, err)
	}
	switch {
	case l.Failed > 0:
		return l, fmt.Errorf("%d of %d requests failed", l.Failed, l.Requests+l.Failed)
	case l.Requests == 0 || l.DurationUS == 0:
		return l, errors.New("wrk completed no request")
	}
	return l, nil
}

// copyConfig writes one of the embedded files to path.
func copyConfig(name, path string) error {
	b, err := configs.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
