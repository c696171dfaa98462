// Node is an inference node that does no inference: it answers every infer
// request at once with the same bytes, so that a benchmark of what stands in
// front of it measures that alone. It serves HTTP as our nodes do, with and
// without the hop.
//
// It owns its listeners and a counter for each, which GET /count tells and by
// which the benchmark checks who answered a request. It refuses to be more: no
// models, for loopback only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/lifecycle"
)

// answer is a typical one: ten probabilities.
const answer = `{"model_name":"m","model_version":"1","id":"1","outputs":[{"name":"probabilities","datatype":"FP32",` +
	`"shape":[1,10],"data":[0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.55]}]}`

// metadata is for load generators that make requests from it.
const metadata = `{"name":"m","versions":["1"],"platform":"none","inputs":[{"name":"measurements","datatype":"FP32","shape":[-1,4]}],` +
	`"outputs":[{"name":"probabilities","datatype":"FP32","shape":[-1,10]}]}`

func main() {
	listen := flag.String("listen", "", "addresses to serve on, with commas between")
	plain := flag.String("plain", "", "addresses to serve on without the hop, with commas between")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, list(*listen), list(*plain))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func list(addresses string) []string {
	if addresses == "" {
		return nil
	}
	return strings.Split(addresses, ",")
}

// run serves on all addresses until ctx ends.
func run(ctx context.Context, withHop, plain []string) error {
	var g lifecycle.Group
	for _, addr := range withHop {
		g.Add(addr, func(ctx context.Context) error { return serve(ctx, addr, true) })
	}
	for _, addr := range plain {
		g.Add(addr, func(ctx context.Context) error { return serve(ctx, addr, false) })
	}
	return g.Run(ctx)
}

// node is one address.
type node struct {
	inferences atomic.Int64
	hop        *hop.Server // nil = not spoken
}

// serve is one node.
func serve(ctx context.Context, addr string, withHop bool) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	n := &node{}
	if withHop {
		if n.hop, err = hop.NewServer(n.exchange, hop.DefaultConfig(), nil); err != nil {
			return err
		}
	}
	var cfg httpserver.Config
	cfg.SetDefaults()
	cfg.DrainTimeout = time.Second // the benchmark is over, and waits
	return httpserver.New(addr, cfg, n.handle, slog.New(slog.NewTextHandler(io.Discard, nil))).Run(ctx, ln)
}

// handle answers one request by HTTP.
func (n *node) handle(c *fasthttp.RequestCtx) {
	c.SetContentType("application/json")
	switch {
	case c.IsPost():
		n.inferences.Add(1)
		c.SetBodyString(answer)
	case string(c.Path()) == "/count":
		fmt.Fprint(c, n.inferences.Load())
	case n.upgrade(c):
	case strings.HasPrefix(string(c.Path()), "/v2/models/"):
		c.SetBodyString(metadata)
	default: // probes
		c.SetBodyString(`{"ready":true}`)
	}
}

// upgrade takes up the hop if that is what c asks for.
func (n *node) upgrade(c *fasthttp.RequestCtx) bool {
	token, ok := hop.Negotiate(c.Request.Header.Peek(fasthttp.HeaderUpgrade))
	if n.hop == nil || !ok {
		return false
	}
	c.SetStatusCode(fasthttp.StatusSwitchingProtocols)
	c.Response.Header.Set(fasthttp.HeaderConnection, "Upgrade")
	c.Response.Header.Set(fasthttp.HeaderUpgrade, token)
	httpserver.Hijack(c, func(ctx context.Context, nc net.Conn) { _ = n.hop.Serve(ctx, nc) })
	return true
}

// exchange answers one request by the hop.
func (n *node) exchange(_ context.Context, req *hop.Request, resp *hop.Response) {
	resp.Status, resp.ContentType, resp.InferenceHeaderLength = fasthttp.StatusOK, contentType, hop.NoHeaderLength
	switch {
	case req.Method == hop.MethodPost:
		n.inferences.Add(1)
		resp.Body = append(resp.Body[:0], answer...)
	case strings.HasPrefix(string(req.Path), "/v2/models/"):
		resp.Body = append(resp.Body[:0], metadata...)
	default: // probes
		resp.Body = append(resp.Body[:0], `{"ready":true}`...)
	}
}

var contentType = []byte("application/json")
