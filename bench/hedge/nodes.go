package main

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// usual is the median of what a request takes, and spread its scatter: the middle two thirds lie within a fifth of it. It
	// is long enough for a busy machine not to show.
	usual  = 50 * time.Millisecond
	spread = 0.2
	// seldom is how many requests there are to one that stalls, and stall how long that one takes.
	seldom = 50
	stall  = 20 * usual
)

// fault is what happens to nodes now and then.
type fault struct {
	name string
	// takes is how long a request takes that comes to a node that long after its start.
	takes func(node int, at time.Duration) time.Duration
}

func faults() []fault {
	normal := func() time.Duration { return time.Duration(float64(usual) * math.Exp(spread*rand.NormFloat64())) }
	return []fault{
		{"nothing", func(int, time.Duration) time.Duration { return normal() }},
		{"one node takes 1 s for one request in fifty", func(node int, _ time.Duration) time.Duration {
			if node == 0 && rand.IntN(seldom) == 0 {
				return stall
			}
			return normal()
		}},
		{"every node does", func(int, time.Duration) time.Duration {
			if rand.IntN(seldom) == 0 {
				return stall
			}
			return normal()
		}},
		{"one node stands still for 500 ms every 5 s", func(node int, at time.Duration) time.Duration {
			const every, still = 5 * time.Second, 500 * time.Millisecond
			if into := at % every; node == 0 && into < still {
				return still - into + normal()
			}
			return normal()
		}},
	}
}

// node is a server of the protocol that computes nothing.
type node struct {
	index   int
	address string
	began   time.Time
	fault   fault
	asked   atomic.Int64
}

// startNodes runs n nodes until stop is called.
func startNodes(n int, f fault) (nodes []*node, stop func(), err error) {
	var servers []*http.Server
	var serving sync.WaitGroup
	stop = func() {
		for _, s := range servers {
			_ = s.Close() // only the listener could fail to close, and it is gone all the same
		}
		serving.Wait()
	}
	for i := range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, nil, err
		}
		nd := &node{index: i, address: ln.Addr().String(), began: time.Now(), fault: f}
		server := &http.Server{Handler: nd, ReadHeaderTimeout: time.Minute}
		servers, nodes = append(servers, server), append(nodes, nd)
		serving.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				panic(err) // nothing but a bug of ours ends a listener on loopback
			}
		})
	}
	return nodes, stop, nil
}

const (
	metadata = `{"name":"m","versions":["1"],"platform":"none","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],` +
		`"outputs":[{"name":"y","datatype":"FP32","shape":[-1,1]}]}`
	answer = `{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[0.5]}]}`
)

// ServeHTTP implements http.Handler. A request that is cancelled is over at once, as it is on a node of ours.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/infer"):
		n.asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // a client that has left is noticed below
		busy := time.NewTimer(n.fault.takes(n.index, time.Since(n.began)))
		defer busy.Stop()
		select {
		case <-busy.C:
			_, _ = io.WriteString(w, answer)
		case <-r.Context().Done():
		}
	case strings.HasSuffix(r.URL.Path, "/ready"):
	case strings.HasPrefix(r.URL.Path, "/v2/models/"):
		_, _ = io.WriteString(w, metadata)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
