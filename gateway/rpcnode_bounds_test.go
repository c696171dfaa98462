package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"ganglion/internal/hop"
)

// wantNoNodeBlamed fails the test if a request's own fault was counted against the nodes.
func (e *edge) wantNoNodeBlamed() {
	e.t.Helper()
	if got := e.metric("ganglion_attempts_total", "outcome", "failure"); got != 0 {
		e.t.Errorf("%v failures were counted against nodes", got)
	}
}

const inferX = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}`

// A few requests with a header that metadata cannot hold must not open the circuits of nodes that are well.
func TestHeadersThatMetadataCannotHoldAreLeftOut(t *testing.T) {
	n := startRPCNode(t)
	e := start(t, rpcPool(n)+anyRoute)
	for _, header := range []string{"X-Name: café", "X-Tab: a\tb", "X!Odd: 1", "X-Raw-Bin: %%%"} {
		e.do("POST", inferPath, inferX, header, "X-Kept: yes").want(t, 200)
		n.mu.Lock()
		if got := n.md.Get("x-kept"); len(got) != 1 || got[0] != "yes" {
			t.Errorf("beside %q the node gets %v", header, n.md)
		}
		n.mu.Unlock()
	}
	e.wantNoNodeBlamed()
}

// Nor must headers that come to more than a node takes.
func TestHeadersThatAreTooLargeForANodeAreTheRequestsFault(t *testing.T) {
	n := startRPCNode(t, grpc.MaxHeaderListSize(1<<10))
	e := start(t, rpcPool(n)+anyRoute)
	e.do("POST", inferPath, inferX).want(t, 200) // from now on the node's limit is known
	got := e.do("POST", inferPath, inferX, "X-Long: "+strings.Repeat("a", 2<<10)).want(t, http.StatusRequestHeaderFieldsTooLarge)
	if !strings.Contains(got.message(), "1024") {
		t.Errorf("refused with %q", got.message())
	}
	e.wantNoNodeBlamed()
}

// zipped makes much of little.
func zipped(t *testing.T, size int) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(inferX + strings.Repeat(" ", size))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What bodies inflate to counts against server.max_body_memory, and is given back.
func TestInflatedBodiesCount(t *testing.T) {
	const limits = "[server]\ndrain_delay = \"0s\"\nmax_body = \"4MiB\"\nmax_body_memory = \"8MiB\"\n"
	overJSON := jsonNode(t)
	for name, e := range map[string]*edge{
		"gRPC": start(t, limits+rpcPool(startRPCNode(t))+anyRoute),
		"JSON": start(t, limits+oneNode+anyRoute, overJSON),
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{"Content-Encoding: gzip", headerInferLength + ": 1"} // so that JSON alone is translated too
			if name == "gRPC" {
				headers = headers[:1]
			}
			large := zipped(t, 3<<20)
			if !e.gateway.server.Reserve(6 << 20) {
				t.Fatal("no memory at all")
			}
			got := e.do("POST", inferPath, large, headers...).want(t, 503)
			if got.header.Get("Retry-After") == "" || !strings.Contains(got.message(), "max_body_memory") {
				t.Errorf("refused with %v %q", got.header, got.message())
			}
			e.gateway.server.Release(6 << 20)
			e.wantNoNodeBlamed()
			if name == "gRPC" {
				for range 3 {
					e.do("POST", inferPath, large, headers...).want(t, 200)
				}
			}
			eventually(t, "all of it given back", func() bool { return e.gateway.server.Reserve(8 << 20) })
			e.gateway.server.Release(8 << 20)
		})
	}
}

// Large answers of nodes that speak gRPC count like all others.
func TestLargeAnswersOverGRPCCount(t *testing.T) {
	n := startRPCNode(t)
	e := start(t, "[upstream]\nmax_answer = \"16MiB\"\nmax_answer_memory = \"64MiB\"\n"+rpcPool(n)+anyRoute)
	in := question("m", "", 1<<20)
	whole := e.gateway.answers.Left()
	for range 3 {
		if _, err := e.calls().ModelInfer(t.Context(), in, grpc.MaxCallRecvMsgSize(64<<20)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the memory is given back", func() bool { return e.gateway.answers.Left() == whole })
	if !e.gateway.answers.Reserve(whole - 1<<20) {
		t.Fatal("no memory at all")
	}
	_, err := e.calls().ModelInfer(t.Context(), in, grpc.MaxCallRecvMsgSize(64<<20))
	wantCode(t, err, codes.Unavailable)
	e.gateway.answers.Release(whole - 1<<20)
	e.wantNoNodeBlamed()
}

// A request that comes before the connection has been opened waits for it, which takes no time to speak of.
func TestTheFirstRequestWaitsForTheConnection(t *testing.T) {
	n := startRPCNode(t)
	tr := newRPCNode(dialer{address: n.address}, UpstreamConfig{ConnectTimeout: time.Minute, MaxAnswer: 1 << 20}, hop.NewBudget(0), inflation{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	answered := make(chan error, 1)
	go func() {
		now := time.Now()
		out := outbound{method: []byte("GET"), target: []byte("/v2/models/m"), start: now, deadline: now.Add(time.Minute)}
		answered <- tr.roundTrip(&out, new(fasthttp.Response))
	}()
	eventually(t, "the request is under way", func() bool { return tr.busy.Load() == 1 })
	go func() { ended <- tr.run(ctx) }()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
