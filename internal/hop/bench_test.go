package hop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// benchNode is the environment variable that makes the test binary a node of its own: BenchmarkX starts it so that the CPU
// time of the client's process is the client's alone.
const benchNode = "HOP_BENCH_NODE"

var (
	smallAnswer  = []byte(`{"model_name":"m","model_version":"1","id":"1","outputs":[{"name":"probs","datatype":"FP32","shape":[1,10],"data":[0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.55]}]}`)
	smallRequest = []byte(`{"id":"1","inputs":[{"name":"x","shape":[1,8],"datatype":"FP32","data":[0.125,0.25,0.375,0.5,0.625,0.75,0.875,1.0]}],"outputs":[{"name":"probs"}]}`)
)

// serveBench is the node: "hop" serves hops, with or without sums of chunks, "copy" sends every byte to nowhere and answers one byte for each 600 KB.
func serveBench(mode string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	go func() { // the parent's end is this one's
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	cfg := DefaultConfig()
	cfg.ChunkSums = mode != "hop without sums"
	server, err := NewServer(func(_ context.Context, _ *Request, resp *Response) {
		resp.Status = 200
		resp.ContentType = jsonType
		resp.Node = Load{Known: true, InFlight: 1}
		resp.Body = smallAnswer
	}, cfg, nil)
	if err != nil {
		panic(err)
	}
	if mode == "tell" {
		go tellAll(server)
	}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		if mode == "copy" {
			go swallow(nc)
		} else {
			go server.Serve(context.Background(), nc)
		}
	}
}

// tellAll tells a load that is news to all clients every millisecond.
func tellAll(server *Server) {
	for i := uint32(0); ; i++ {
		time.Sleep(time.Millisecond)
		server.Tell(Load{Known: true, Queued: i % 2})
	}
}

var jsonType = []byte("application/json")

const bulk = 602_112 // an image: 224*224*3 FP32

func swallow(nc net.Conn) {
	buf := make([]byte, bulk)
	for {
		if _, err := io.ReadFull(nc, buf); err != nil {
			return
		}
		nc.Write(buf[:1])
	}
}

// node starts the test binary as a node and returns its address and a look at the CPU time it has used.
func node(b *testing.B, mode string) (addr string, cpu func() time.Duration) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchNode+"="+mode)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line), func() time.Duration { return processTime(cmd.Process.Pid) }
}

// processTime is the CPU time of another process: the first number of its threads' schedstat, which only Linux has.
func processTime(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		var ns int64
		fmt.Sscan(string(text), &ns)
		sum += time.Duration(ns)
	}
	return sum
}

// dialBench opens a hop to addr that runs until the benchmark ends.
func dialBench(b *testing.B, addr string) *Conn {
	b.Helper()
	return dialBenchHearing(b, addr, nil)
}

// dialBenchHearing is dialBench for somebody who wants to hear of loads.
func dialBenchHearing(b *testing.B, addr string, load func(Load, uint32)) *Conn {
	b.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Loads = 1000
	c, err := Open(nc, cfg)
	if err != nil {
		b.Fatal(err)
	}
	c.Observe(Observer{Suspect: func(time.Duration) bool { return true }, Load: load}) // as gateways do
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	b.Cleanup(func() { c.Close(); <-done })
	return c
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSmallExchanges is many callers with a request of 150 bytes and an answer of 170 over one connection to another process.
func BenchmarkSmallExchanges(b *testing.B) {
	for _, callers := range []int{1, 2, 4, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			addr, nodeTime := node(b, "hop")
			c := dialBench(b, addr)
			exchangeLoop(b, c, callers, callers) // warm up
			before, cpu, theirs := c.Stats(), cpuTime(), nodeTime()
			b.ResetTimer()
			exchangeLoop(b, c, callers, b.N)
			b.StopTimer()
			after := c.Stats()
			reportCPU(b, cpuTime()-cpu, nodeTime()-theirs)
			b.ReportMetric(float64(after.FramesSent-before.FramesSent)/float64(after.Writes-before.Writes), "frames/write")
			b.ReportMetric(float64(after.Reads-before.Reads)/float64(b.N), "reads/op")
		})
	}
}

// BenchmarkLoadTold is a node that tells so many gateways its load every millisecond. An operation is one load at one of them, all
// of whom are in one process.
func BenchmarkLoadTold(b *testing.B) {
	for _, gateways := range []int{2, 8, 32, 128} {
		b.Run(fmt.Sprintf("gateways=%d", gateways), func(b *testing.B) {
			addr, nodeTime := node(b, "tell")
			var heard atomic.Int64
			for range gateways {
				dialBenchHearing(b, addr, func(Load, uint32) { heard.Add(1) })
			}
			until := func(n int64) {
				for n += heard.Load(); heard.Load() < n; {
					time.Sleep(time.Millisecond)
				}
			}
			until(100)
			cpu, theirs := cpuTime(), nodeTime()
			b.ResetTimer()
			until(int64(b.N))
			b.StopTimer()
			reportCPU(b, cpuTime()-cpu, nodeTime()-theirs)
		})
	}
}

func reportCPU(b *testing.B, client, node time.Duration) {
	b.ReportMetric(float64(client.Nanoseconds())/1000/float64(b.N), "client-µs/op")
	b.ReportMetric(float64(node.Nanoseconds())/1000/float64(b.N), "node-µs/op")
}

func exchangeLoop(b *testing.B, c *Conn, callers, n int) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			var x Exchange
			post(&x, smallRequest)
			for left.Add(-1) >= 0 {
				x.Request.Deadline = time.Now().Add(30 * time.Second)
				if err := c.Do(&x); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkConnections is 256 callers over one or more connections to the same node: fewer share more.
func BenchmarkConnections(b *testing.B) {
	for _, conns := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			addr, nodeTime := node(b, "hop")
			var open []*Conn
			for range conns {
				open = append(open, dialBench(b, addr))
			}
			cpu, theirs := cpuTime(), nodeTime()
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, c := range open {
				wg.Go(func() { exchangeLoop(b, c, 256/conns, b.N/conns+1) })
			}
			wg.Wait()
			b.StopTimer()
			reportCPU(b, cpuTime()-cpu, nodeTime()-theirs)
		})
	}
}

// BenchmarkBulk compares 600 KB bodies over the hop with the same bytes written to a plain connection.
func BenchmarkBulk(b *testing.B) {
	body := make([]byte, bulk)
	for i := range body {
		body[i] = byte(i * 7)
	}
	for _, sums := range []bool{true, false} {
		b.Run(fmt.Sprintf("hop/sums=%v", sums), func(b *testing.B) {
			addr, nodeTime := node(b, "hop")
			if !sums {
				addr, nodeTime = node(b, "hop without sums")
			}
			c := dialBench(b, addr)
			var x Exchange
			post(&x, body)
			measureBulk(b, nodeTime, func() error { return c.Do(&x) })
		})
	}
	b.Run("copy", func(b *testing.B) {
		addr, nodeTime := node(b, "copy")
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		answer := make([]byte, 1)
		measureBulk(b, nodeTime, func() error {
			if _, err := nc.Write(body); err != nil {
				return err
			}
			_, err := io.ReadFull(nc, answer)
			return err
		})
	})
}

func measureBulk(b *testing.B, nodeTime func() time.Duration, once func() error) {
	b.SetBytes(bulk)
	cpu, theirs := cpuTime(), nodeTime()
	for b.Loop() {
		if err := once(); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, cpuTime()-cpu, nodeTime()-theirs)
}
