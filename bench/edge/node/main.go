// Node is an inference node that does no inference: it answers every infer
// request at once with the same bytes, so that a benchmark of what stands in
// front of it measures that alone.
//
// It owns its listeners and a counter, which GET /count tells and by which the
// benchmark checks who answered a request. It refuses to be more: no models, no
// limits, for loopback only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/valyala/fasthttp"

	"ganglion/internal/lifecycle"
)

// answer is a typical one: ten probabilities.
const answer = `{"model_name":"m","model_version":"1","id":"1","outputs":[{"name":"probabilities","datatype":"FP32",` +
	`"shape":[1,10],"data":[0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.55]}]}`

func main() {
	listen := flag.String("listen", "", "addresses to serve on, with commas between")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, strings.Split(*listen, ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// run serves on all addresses until ctx ends.
func run(ctx context.Context, addresses []string) error {
	var g lifecycle.Group
	for _, addr := range addresses {
		g.Add(addr, func(ctx context.Context) error { return serve(ctx, addr) })
	}
	return g.Run(ctx)
}

// serve is one node.
func serve(ctx context.Context, addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	var inferences atomic.Int64
	s := &fasthttp.Server{
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		Handler:               func(c *fasthttp.RequestCtx) { handle(c, &inferences) },
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Clients that keep their connections open must not keep the node: the
	// benchmark is over.
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.ShutdownWithContext(gone); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return <-failed
}

// handle answers one request.
func handle(c *fasthttp.RequestCtx, inferences *atomic.Int64) {
	c.SetContentType("application/json")
	switch {
	case c.IsPost():
		inferences.Add(1)
		c.SetBodyString(answer)
	case string(c.Path()) == "/count":
		fmt.Fprint(c, inferences.Load())
	default: // probes
		c.SetBodyString(`{"ready":true}`)
	}
}
