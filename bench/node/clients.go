//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ganglion/bench/affinity"
)

// answers is what clients have seen.
type answers struct {
	answers      int
	queue, infer []time.Duration // of each answer that tells
}

// ask has n clients ask the same question again and again, each over a connection of its own that it keeps, until they have
// had so many answers or ctx ends. Two reads and writes are all that a request costs here, so that the clients' cores are
// not what is measured: a thread for each of them polls its share of the connections.
func ask(ctx context.Context, address string, question []byte, n, most int, cpus []int) (all answers, err error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return all, err
	}
	var left atomic.Int64
	left.Store(int64(most))
	if most == 0 {
		left.Store(1 << 62)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, cpu := range cpus {
		p := &poller{ctx: ctx, question: question, left: &left}
		wg.Go(func() {
			failed := affinity.Pinned([]int{cpu}, func() error { return p.run(at, (n+len(cpus)-1-i)/len(cpus)) })
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, failed)
			all.answers += p.seen.answers
			all.queue, all.infer = append(all.queue, p.seen.queue...), append(all.infer, p.seen.infer...)
		})
	}
	wg.Wait()
	return all, err
}

// poller is the clients of one thread.
type poller struct {
	ctx      context.Context
	question []byte
	left     *atomic.Int64 // requests that may still be made, by all pollers
	clients  []*client     // by file descriptor
	asking   int           // clients that wait for an answer
	seen     answers
}

// client is one connection.
type client struct {
	fd  int
	in  []byte // of the answer, so far
	buf [16 << 10]byte
}

// run opens n connections and asks over them.
func (p *poller) run(at netip.AddrPort, n int) (err error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(epoll)) }()
	for range n {
		c, err := p.connect(at, epoll)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unix.Close(c.fd)) }()
	}
	for _, c := range p.clients {
		if err := p.send(c); err != nil {
			return err
		}
	}
	var events [64]unix.EpollEvent
	for p.asking > 0 {
		ready, err := unix.EpollWait(epoll, events[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, event := range events[:max(ready, 0)] {
			if err := p.receive(p.clients[event.Pad]); err != nil {
				return err
			}
		}
	}
	return nil
}

// connect adds a client. Its socket blocks, but is read only when there is something.
func (p *poller) connect(at netip.AddrPort, epoll int) (*client, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	c := &client{fd: fd}
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(len(p.clients))})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the node: %w", errors.Join(err, unix.Close(fd)))
	}
	p.clients = append(p.clients, c)
	return c, nil
}

// send asks, unless enough has been asked.
func (p *poller) send(c *client) error {
	if p.ctx.Err() != nil || p.left.Add(-1) < 0 {
		return nil
	}
	c.in = c.buf[:0]
	p.asking++
	n, err := unix.Write(c.fd, p.question)
	if err == nil && n < len(p.question) {
		err = fmt.Errorf("%d of %d bytes", n, len(p.question))
	}
	if err != nil {
		return fmt.Errorf("cannot write to the node: %w", err)
	}
	return nil
}

// receive reads what has come for a client, and has it ask again when that was all of an answer.
func (p *poller) receive(c *client) error {
	n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("cannot read from the node: %w", err)
	case n == 0:
		return fmt.Errorf("the node closed a connection after %q, or its answer is longer than %d bytes", c.in, len(c.buf))
	}
	c.in = c.in[:len(c.in)+n]
	whole, err := p.parse(c.in)
	if err != nil || !whole {
		return err
	}
	p.asking--
	p.seen.answers++
	return p.send(c)
}

// parse looks at an answer, of which all or the beginning is there.
func (p *poller) parse(text []byte) (whole bool, err error) {
	head, body, found := bytes.Cut(text, []byte("\r\n\r\n"))
	if !found {
		return false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("the node answered %q", text)
	}
	length, err := number(head, "\r\nContent-Length: ", "\r\n")
	if err != nil {
		return false, err
	}
	if len(body) < int(length) {
		return false, nil
	}
	if !bytes.Contains(head, []byte("\r\nServer-Timing: ")) {
		return true, nil
	}
	queue, err := number(head, " queue;dur=", ",")
	if err != nil {
		return false, err
	}
	infer, err := number(head, " infer;dur=", ",")
	const ms = float64(time.Millisecond)
	p.seen.queue, p.seen.infer = append(p.seen.queue, time.Duration(queue*ms)), append(p.seen.infer, time.Duration(infer*ms))
	return true, err
}

// number finds the number between two texts, or between one and the end.
func number(head []byte, before, after string) (float64, error) {
	_, rest, found := bytes.Cut(head, []byte(before))
	text, _, _ := bytes.Cut(rest, []byte(after))
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !found {
		return 0, fmt.Errorf("no number after %q in %q", before, head)
	}
	return value, nil
}
