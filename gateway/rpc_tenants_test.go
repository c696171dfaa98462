package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// Messages of many callers share buffers of ours and of grpc's: on every kind of way to a node, through retries, the cache,
// a shadow and callers that give up. No answer may ever carry another caller's bytes.
func TestNoCallerGetsAnothersBytes(t *testing.T) {
	bad, plain, own, json, shadow := testnode.Start(t), echoNode(t), echoNode(t), jsonNode(t), echoNode(t)
	own.SpeakHop(true)
	bad.Handle(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength%3 == 0 {
			w.WriteHeader(503)
			return
		}
		echo(w, r)
	})
	speaksRPC := startRPCNode(t)
	e := start(t, `
[pools.main]
policy = "round_robin"
nodes = [{ address = "%s" }, { address = "%s" }, { address = "%s" }, { address = "%s" }, { address = "`+speaksRPC.address+`", protocol = "grpc" }]
[pools.main.health]
interval = "20ms"
[pools.main.breaker]
consecutive_failures = 0
failure_percent = 0
[pools.main.retry]
budget_floor = 100000
[pools.shadow]
nodes = [{ address = "%s" }]
[routes.plain]
pool = "main"
shadow = { pool = "shadow" }
[routes.cached]
pool = "main"
cache = { ttl = "20ms" }
`, bad, plain, own, json, shadow)
	const callers, each = 12, 20
	var group sync.WaitGroup
	for caller := range callers {
		client := e.calls()
		group.Go(func() {
			for i := range each {
				if err := askAs(t, client, caller, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// askAs sends a tensor that consists of one caller's number, and looks for any other in what comes back.
func askAs(t *testing.T, client pb.GRPCInferenceServiceClient, caller, i int) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if i%10 == 9 { // leave in the middle
		time.AfterFunc(time.Duration(i)*50*time.Microsecond, cancel)
	}
	elements := []int{10, 5_000, 20_000}[i%3]
	raw := bytes.Repeat([]byte{byte(caller + 1)}, 4*elements)
	mark := fmt.Sprint("caller-", caller)
	out, err := client.ModelInfer(ctx, &pb.ModelInferRequest{
		ModelName: []string{"plain", "cached"}[i%2], Id: mark,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "INT32", Shape: []int64{int64(elements)}}},
		RawInputContents: [][]byte{raw},
	})
	switch {
	case status.Code(err) == codes.Canceled:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", mark, err)
	case out.GetId() != mark || !bytes.Equal(out.GetRawOutputContents()[0], raw):
		return fmt.Errorf("%s got an answer of %q with %d bytes", mark, out.GetId(), len(out.GetRawOutputContents()[0]))
	}
	return nil
}

func TestAPanicCostsOneCall(t *testing.T) {
	n := echoNode(t)
	e := start(t, oneNode+anyRoute, n)
	node := e.gateway.table.Load().pools[0].nodes()[0]
	good := node.transport
	node.transport = panicking{good}
	client := e.calls()
	_, err := client.ModelInfer(t.Context(), question("m", "", 1))
	if text := wantCode(t, err, codes.Internal); strings.Contains(text, "panic") {
		t.Errorf("the client reads %q", text)
	}
	if line := e.logged(1)[0]; line["reason"] != "panic" || line["grpc"] != "Internal" {
		t.Errorf("the log says %v", line)
	}
	node.transport = good
	if _, err := client.ModelInfer(t.Context(), question("m", "", 1)); err != nil {
		t.Error(err)
	}
	if got := e.metric("ganglion_panics_total"); got != 1 {
		t.Errorf("%v panics are counted, want 1", got)
	}
	eventually(t, "nothing in flight", func() bool { return e.gateway.Status().InFlight == 0 })
}

func TestTheShadowGetsCopiesOfCalls(t *testing.T) {
	main, shadow := echoNode(t), echoNode(t)
	shadow.SpeakHop(true)
	e := start(t, "[pools.main]\nnodes = [{ address = \"%s\" }]\n[pools.shadow]\nnodes = [{ address = \"%s\" }]\n"+
		"[routes.m]\npool = \"main\"\nshadow = { pool = \"shadow\" }\n"+fastHealth, main, shadow)
	client := e.calls()
	for range 5 {
		if _, err := client.ModelInfer(t.Context(), question("m", "", 3)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "every copy answered", func() bool {
		return e.metric("ganglion_requests_total", "variant", "shadow", "reason", "ok") == 5
	})
}

// What callers hold together is bounded; what is too much is told to come back.
func TestMessagesAreBoundedTogether(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, "[server]\ndrain_delay = \"0s\"\nmax_body = \"512KiB\"\nmax_body_memory = \"1MiB\"\n"+oneNode+anyRoute, n)
	release := n.Hang()
	client := e.calls()
	held := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := client.ModelInfer(context.Background(), question("m", "", 110_000))
			held <- err
		}()
	}
	eventually(t, "two calls at the node", func() bool { return n.Requests() == 2 })
	_, err := client.ModelInfer(t.Context(), question("m", "", 110_000))
	if text := wantCode(t, err, codes.Unavailable); !strings.Contains(text, "server.max_body_memory") {
		t.Errorf("the client reads %q", text)
	}
	release()
	for range 2 {
		if err := <-held; err != nil {
			t.Errorf("a call that was there before: %v", err)
		}
	}
	n.Heal()
	eventually(t, "room again", func() bool {
		_, err := client.ModelInfer(t.Context(), question("m", "", 110_000))
		return err == nil
	})
	if got := e.metric("ganglion_requests_total", "protocol", "grpc", "reason", "overload"); got == 0 {
		t.Error("no refusal was counted")
	}
}
