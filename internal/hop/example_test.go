package hop_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"ganglion/internal/hop"
)

// A node serves a connection and an edge makes an exchange over it. The upgrade before that is left out: see Upgrade and
// Negotiate.
func Example() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	server, err := hop.NewServer(func(_ context.Context, req *hop.Request, resp *hop.Response) {
		resp.Status = 200
		resp.Node = hop.Load{Known: true, Queued: 2, Wait: 3 * time.Millisecond}
		resp.Body = fmt.Appendf(resp.Body, "%v %s with %s", req.Method, req.Path, req.Body)
	}, hop.DefaultConfig(), nil)
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			err = server.Serve(ctx, nc)
		}
		served <- err
	}()

	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	conn, err := hop.Open(nc, hop.DefaultConfig())
	if err != nil {
		panic(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- conn.Run(ctx) }()

	var x hop.Exchange // kept and used again: that is what makes an exchange free of allocations
	x.Reset()
	x.Request.Method, x.Request.Path = hop.MethodPost, []byte("/v2/models/iris/infer")
	x.Request.Body = []byte(`{"inputs":[]}`)
	x.Request.Deadline = time.Now().Add(time.Second)
	if err := conn.Do(&x); err != nil {
		panic(err)
	}
	fmt.Printf("%d %s\n", x.Response.Status, x.Response.Body)
	fmt.Printf("the node has %d waiting\n", x.Response.Node.Queued)

	stop()
	fmt.Println(<-ran, <-served)
	ln.Close()
	// Output:
	// 200 POST /v2/models/iris/infer with {"inputs":[]}
	// the node has 2 waiting
	// <nil> <nil>
}
