package hop

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fault is what a wire does to the bytes that pass it.
type fault int

const (
	faultNone  fault = iota
	faultCut         // both directions end
	faultHalf        // one direction ends
	faultStall       // one direction stops, nothing is closed
	faultFlip        // one bit is wrong
	faultDrop        // a few bytes are missing
	faults
)

// wire passes bytes between two connections, and after so many of them does something to one direction.
type wire struct {
	a, b  net.Conn
	ended sync.WaitGroup
	stop  chan struct{}
}

func newWire(a, b net.Conn, what fault, after int, toServer bool) *wire {
	w := &wire{a: a, b: b, stop: make(chan struct{})}
	none := 1 << 60
	upAfter, downAfter := none, none
	if toServer {
		upAfter = after
	} else {
		downAfter = after
	}
	w.ended.Go(func() { w.pass(a, b, what, upAfter) })
	w.ended.Go(func() { w.pass(b, a, what, downAfter) })
	return w
}

func (w *wire) pass(from, to net.Conn, what fault, after int) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
		piece := buf[:n]
		if after -= n; after <= 0 {
			after = 1 << 60
			switch what {
			case faultCut:
				from.Close()
				to.Close()
				return
			case faultHalf:
				to.(*net.TCPConn).CloseWrite()
				return
			case faultStall:
				<-w.stop
				return
			case faultFlip:
				piece[rand.IntN(n)] ^= 1 << rand.IntN(8)
			case faultDrop:
				piece = piece[:n-min(n, 1+rand.IntN(40))]
			}
		}
		if _, err := to.Write(piece); err != nil {
			from.Close()
			return
		}
	}
}

func (w *wire) close() {
	close(w.stop)
	w.a.Close()
	w.b.Close()
	w.ended.Wait()
}

// faultyNode is a node whose connections break in every way, one after the other, and are made again.
type faultyNode struct {
	t      *testing.T
	server *Server
	cfg    Config
	conn   atomic.Pointer[Conn]
	ended  map[string]int
}

// live keeps a connection to the node until the test is over, a new one after each that broke.
func (f *faultyNode) live(stop chan struct{}, seed uint64, damage bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	for {
		what := faultNone
		if damage {
			what = 1 + fault(r.IntN(int(faults)-1))
		}
		f.connection(stop, what, 1+r.IntN(1<<20), r.IntN(2) == 0)
		select {
		case <-stop:
			return
		default:
		}
	}
}

// connection lives until it breaks.
func (f *faultyNode) connection(stop chan struct{}, what fault, after int, toServer bool) {
	clientEnd, wireA := connected(f.t)
	wireB, serverEnd := connected(f.t)
	w := newWire(wireA, wireB, what, after, toServer)
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(context.Background(), serverEnd) }()
	c, err := Open(clientEnd, f.cfg)
	if err != nil { // the handshake was hit
		w.close()
		<-served
		return
	}
	f.conn.Store(c)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	select {
	case <-stop:
		cancel()
		err = <-ran
	case err = <-ran:
	}
	cancel()
	c.Close()
	w.close()
	<-served
	switch _, isProtocol := errors.AsType[*ProtocolError](err); {
	case err == nil:
		f.ended["drained"]++
	case isProtocol:
		f.ended["protocol error"]++
	case errors.Is(err, ErrHung):
		f.ended["hung"]++
	default:
		f.ended["broken"]++
	}
}

// faultConfig notices quickly.
func faultConfig() Config {
	cfg := DefaultConfig()
	cfg.HandshakeTimeout = time.Second
	cfg.PingInterval, cfg.PingTimeout = 50*time.Millisecond, 600*time.Millisecond
	cfg.WriteTimeout, cfg.StallTimeout = 2*time.Second, 2*time.Second
	return cfg
}

// wholeConfig notices nothing: whoever fails on the node that stays whole has nobody else, and the machine may stand still.
func wholeConfig() Config {
	cfg := DefaultConfig()
	cfg.HandshakeTimeout, cfg.PingTimeout, cfg.WriteTimeout, cfg.StallTimeout = time.Minute, time.Minute, time.Minute, time.Minute
	return cfg
}

// Connections of two nodes are cut, half closed, stalled and damaged in the middle of load, while a third stays whole. A caller
// that tries elsewhere after an error always gets its own answer, never another and never a damaged one.
func TestFaultsUnderLoad(t *testing.T) {
	var servers [2]*Server
	for i, cfg := range []Config{faultConfig(), wholeConfig()} {
		var err error
		if servers[i], err = NewServer(echo, cfg, nil); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var living, calling sync.WaitGroup
	nodes := make([]*faultyNode, 3)
	for i := range nodes {
		nodes[i] = &faultyNode{t: t, server: servers[0], cfg: faultConfig(), ended: map[string]int{}}
		if i == 0 {
			nodes[i].server, nodes[i].cfg = servers[1], wholeConfig()
		}
		living.Go(func() { nodes[i].live(stop, uint64(i), i > 0) })
		eventually(t, "a first connection", func() bool { return nodes[i].conn.Load() != nil })
	}
	source := noise(9, 1<<20)
	var answered, failed, lost atomic.Int64
	until := time.Now().Add(4 * time.Second)
	for caller := range 32 {
		calling.Go(func() {
			r := rand.New(rand.NewPCG(uint64(caller), 2))
			var x Exchange
			for time.Now().Before(until) {
				size := r.IntN(3000)
				if r.IntN(20) == 0 {
					size = r.IntN(500_000)
				}
				at := r.IntN(len(source) - size)
				body := source[at : at+size]
				var err error
				for _, i := range []int{r.IntN(3), 1 + r.IntN(2), 0} { // the last is the whole one
					post(&x, body)
					x.Request.Deadline = time.Now().Add(30 * time.Second)
					if err = nodes[i].conn.Load().Do(&x); err == nil {
						break
					}
					failed.Add(1)
				}
				if err != nil {
					t.Errorf("no node answered: %v", err)
					lost.Add(1)
					continue
				}
				answered.Add(1)
				if !bytes.Equal(x.Response.Body, body) {
					t.Errorf("an exchange of %d bytes got another answer, of %d bytes", size, len(x.Response.Body))
				}
			}
		})
	}
	calling.Wait()
	close(stop)
	living.Wait()
	t.Logf("%d answered, %d attempts failed", answered.Load(), failed.Load())
	for i, n := range nodes {
		t.Logf("node %d: connections ended: %v", i, n.ended)
	}
	for _, server := range servers {
		if left := server.cfg.Budget.Left(); left != 256<<20 {
			t.Errorf("%d bytes of a server's budget are left, want all of it", left)
		}
	}
}
