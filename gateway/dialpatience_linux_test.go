package gateway

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"ganglion/internal/hop"
)

// clogged listens without ever accepting: the kernel makes a connection or two, and drops the packets that ask for more.
func clogged(t *testing.T) (address string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(fd) })
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// A node that takes no more connections costs a request a fraction of the time that it may take to connect, if there is another one.
func TestAFullQueueOfConnectionsIsLeftSoon(t *testing.T) {
	const most = time.Hour
	node := &watched{}
	p := newConns(dialer{address: clogged(t)}, UpstreamConfig{MaxConnections: 8, ConnectTimeout: most}, hop.NewBudget(0), func() {})
	p.soon.peer = node
	acquire := func(limit time.Duration) error {
		out := &outbound{start: time.Now(), deadline: time.Now().Add(limit)}
		c, err := p.acquire(out)
		if err == nil {
			t.Cleanup(func() { p.giveBack(c, time.Now()) })
		}
		return err
	}
	if err := acquire(time.Minute); err != nil {
		t.Fatalf("the first connection: %v", err)
	}
	var err error
	for err == nil { // two at most
		err = acquire(time.Minute)
	}
	broken, ok := errors.AsType[*transportError](err)
	if !ok || broken.phase != connecting || !broken.unsent || !broken.blameless || node.suspected.Load() != 1 {
		t.Errorf("%v, want one that may go elsewhere and blames nobody; suspected %d times, want once", err, node.suspected.Load())
	}
	first := time.Duration(p.soon.now.Load()) / 2
	if first < dialLeast {
		t.Errorf("given up after %s, want %s at least", first, dialLeast)
	}

	// Where nobody else is, the request waits for as long as it may.
	node.alone.Store(true)
	began := time.Now()
	if err := acquire(6 * first); err == nil || time.Since(began) < 6*first {
		t.Errorf("%v after %s, although there is nobody else", err, time.Since(began))
	}
	if node.suspected.Load() != 1 {
		t.Error("suspected, although it is the request's time that was over")
	}
}

// What a link needs is learned, in both directions.
func TestTheTimeThatConnectionsTakeIsLearned(t *testing.T) {
	d := dialPatience{most: 2 * time.Second, peer: &watched{}}
	want := func(what string, want time.Duration) {
		t.Helper()
		if got, _ := d.forNext(false); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("of an unknown link", d.most)
	d.made(time.Millisecond)
	want("of a quick link", dialLeast)
	d.made(100 * time.Millisecond)
	want("of a slower one", 400*time.Millisecond)
	d.ranOut(400 * time.Millisecond)
	d.ranOut(400 * time.Millisecond) // of another request at the same time
	want("after it was too little", 800*time.Millisecond)
	d.ranOut(800 * time.Millisecond)
	d.ranOut(1600 * time.Millisecond)
	want("after it was far too little", d.most)
	d.made(time.Millisecond)
	if got, _ := d.forNext(true); got != d.most {
		t.Errorf("%s for a patient request, want %s", got, d.most)
	}
}
