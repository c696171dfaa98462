package backend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// TestLeaversDoNotHarmStayers: requests use each other's memory again, contexts included. Whoever leaves, at whatever moment
// and by whatever way, ends no request but its own: everybody who stays gets the answer to what it has asked.
func TestLeaversDoNotHarmStayers(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	n := startNodeOn(t, &fakeEngine{run: func(ctx context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		select {
		case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
			return inputs, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, dir)
	n.waitReady()
	var stayers, leavers sync.WaitGroup
	done := make(chan struct{})
	moment := func() time.Duration { return time.Duration(rand.IntN(600)) * time.Microsecond }

	conn := n.dialHop()
	for range 3 {
		leavers.Go(func() {
			for !over(done) {
				x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", fakeRequestOf("1"))
				if rand.IntN(2) == 0 {
					x.Request.Deadline = time.Now().Add(moment())
				} else {
					time.AfterFunc(moment(), x.Cancel)
				}
				_ = conn.Do(x) // whatever comes of it
			}
		})
	}
	leavers.Go(func() {
		for !over(done) {
			nc, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			body := fakeRequestOf("1")
			fmt.Fprintf(nc, "POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			time.Sleep(moment())
			nc.Close()
		}
	})

	for who := range 4 {
		stayers.Go(func() {
			for i := range 100 {
				number := fmt.Sprint(1000*(who+1) + i)
				status, body := 0, ""
				if who%2 == 0 {
					x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", fakeRequestOf(number))
					var failed *hop.Error
					if err := conn.Do(x); errors.As(err, &failed) {
						t.Errorf("asked for %s by the hop: %v", number, err)
						return
					}
					status, body = x.Response.Status, string(x.Response.Body)
				} else {
					a := n.post("/v2/models/iris/infer", fakeRequestOf(number))
					status, body = a.status, a.body
				}
				if status != 200 || !strings.Contains(body, `"data":[`+number+`]`) {
					t.Errorf("asked for %s: got %d %s", number, status, body)
					return
				}
			}
		})
	}
	stayers.Wait()
	close(done)
	leavers.Wait()
	n.waitMetric("ganglion_node_requests_in_flight", 0)
	n.waitMetric(`ganglion_node_queue_requests{model="iris",version="1"}`, 0)
}

func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
