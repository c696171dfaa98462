//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// idleMemory is what a system holds for clients that are connected and ask nothing.
type idleMemory struct {
	System  string `json:"system"`
	Clients int    `json:"clients"`
	Before  int64  `json:"before_bytes"` // resident, before they came
	After   int64  `json:"after_bytes"`  // while they are there
}

// measureIdle connects many clients to ours, has each ask once, and looks at its memory while they stay. The goal is a figure,
// not a ratio, and the others would have to be told to take so many.
func (b *bench) measureIdle(ctx context.Context, r *report) error {
	if b.idle == 0 {
		return nil
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if uint64(b.idle)+100 > limit.Max {
		fmt.Fprintf(b.progress, "idle clients: this process may have %d descriptors only: not measured\n", limit.Max)
		return nil
	}
	for _, s := range b.systems() {
		if s.name != "ganglion" {
			continue
		}
		m, err := b.idleOf(ctx, s)
		if err != nil {
			return fmt.Errorf("%s with idle clients: %w", s.title, err)
		}
		fmt.Fprintf(b.progress, "%-13s  %d idle clients: %.0f MiB\n", s.name, b.idle, float64(m.After)/(1<<20))
		r.Idle = append(r.Idle, m)
	}
	return nil
}

func (b *bench) idleOf(ctx context.Context, s system) (m idleMemory, err error) {
	p, addr, err := b.startSystem(s)
	if err != nil {
		return m, err
	}
	defer p.Stop()
	if err := p.Await(func() error { return b.probe(addr) }); err != nil {
		return m, err
	}
	m = idleMemory{System: s.name, Clients: b.idle}
	if m.Before, err = resident(p.PID()); err != nil {
		return m, err
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
	}()
	for len(conns) < b.idle && ctx.Err() == nil {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return m, err
		}
		conns = append(conns, c)
		if err := askOnce(c); err != nil {
			return m, err
		}
	}
	time.Sleep(2 * time.Second) // what is done a while after a request is done by then: memory is what is measured
	m.After, err = resident(p.PID())
	return m, errors.Join(err, ctx.Err())
}

// askOnce asks and reads the answer, and leaves the connection open.
func askOnce(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c, "POST /v2/models/%s/infer HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", proxied, len(question), question)
	if err != nil {
		return err
	}
	in := bufio.NewReader(c)
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.ToLower(strings.TrimSpace(line))
		if line == "" {
			break
		}
		if value, found := strings.CutPrefix(line, "content-length:"); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	_, err = in.Discard(length)
	return err
}

// resident is the memory of a process and its descendants, in bytes.
func resident(root int) (int64, error) {
	var sum int64
	for _, pid := range append(children(root), root) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(b))
		if len(fields) < 2 {
			return 0, fmt.Errorf("statm of %d is %q", pid, b)
		}
		pages, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += pages * int64(os.Getpagesize())
	}
	return sum, nil
}

// children are the processes that root started, and those that they did.
func children(root int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", root, root))
	if err != nil {
		return nil // it has none left to ask
	}
	var all []int
	for field := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(field); err == nil {
			all = append(append(all, pid), children(pid)...)
		}
	}
	return all
}
