//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"ganglion/bench/affinity"
	"ganglion/bench/harness"
	"ganglion/internal/loadgen"
)

// fixedShare is the part of HAProxy's maximum at which latencies are compared.
const fixedShare = 0.6

// timed is one measurement at a fixed rate.
type timed struct {
	System string           `json:"system"`
	Round  int              `json:"round"`
	Result []loadgen.Result `json:"result"`
}

// measureFixedRate asks HAProxy and ours at the same rate, in an open loop, so that a pause is charged for every request
// that was due during it.
func (b *bench) measureFixedRate(ctx context.Context, r *report) error {
	maximum := r.pick("haproxy", job{proxied, most}, perSecond)
	if len(maximum) == 0 {
		return nil // HAProxy is not among those measured
	}
	r.FixedRate = fixedShare * harness.Median(maximum)
	var compared []system
	for _, s := range b.systems() {
		if s.name == "haproxy" || s.name == "ganglion" {
			compared = append(compared, s)
		}
	}
	for round := range b.rounds {
		for i := range compared {
			s := compared[(round+i)%len(compared)]
			t, err := b.timed(ctx, s, r.FixedRate)
			if err != nil {
				return fmt.Errorf("%s at a fixed rate: %w", s.title, err)
			}
			t.Round = round + 1
			l := t.Result[0].Latency
			fmt.Fprintf(b.progress, "round %d/%d  %-13s  %.0f requests/s: p50 %s, p99 %s, p99.9 %s\n", t.Round, b.rounds, s.name, r.FixedRate, l.P50, l.P99, l.P999)
			r.Timed = append(r.Timed, t)
		}
	}
	return nil
}

func (b *bench) timed(ctx context.Context, s system, rate float64) (timed, error) {
	p, addr, err := b.startSystem(s)
	if err != nil {
		return timed{}, err
	}
	defer p.Stop()
	if err := p.Await(func() error { return b.probe(addr) }); err != nil {
		return timed{}, err
	}
	cmd := exec.CommandContext(ctx, b.tools["gateway"], "bench", "http://"+addr, "--model", proxied, "--rate", strconv.FormatFloat(rate, 'f', 0, 64),
		"--duration", b.duration.String(), "--warmup", time.Second.String(), "--json", "-")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := affinity.Pinned(b.cores.rest, cmd.Start); err != nil {
		return timed{}, err
	}
	if err := cmd.Wait(); err != nil {
		return timed{}, errors.Join(ctx.Err(), fmt.Errorf("gateway bench: %w: %s", err, &said))
	}
	t := timed{System: s.name}
	if err := json.Unmarshal(out.Bytes(), &t.Result); err != nil {
		return t, err
	}
	if failed := t.Result[0].Failed; failed > 0 {
		return t, fmt.Errorf("%d of %d requests failed: %v", failed, failed+t.Result[0].Answers, t.Result[0].Errors)
	}
	return t, nil
}

// latencies are one quantile of a system at the fixed rate, in milliseconds.
func (r *report) latencies(system string, quantile func(loadgen.Latency) time.Duration) []float64 {
	var all []float64
	for _, t := range r.Timed {
		if t.System == system {
			all = append(all, quantile(t.Result[0].Latency).Seconds()*1000)
		}
	}
	return all
}
