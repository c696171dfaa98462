//go:build linux

package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/hop"
)

func TestFixedNodesWorkOnOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixed(10 * time.Millisecond)
		began := time.Now()
		ask := func() reply {
			return f.answer(context.Background(), &question{method: http.MethodPost, path: "/v2/models/busy/infer"})
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if r := ask(); r.status != http.StatusOK || string(r.body) != fixedAnswer {
					t.Errorf("got %d %s", r.status, r.body)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 30*time.Millisecond {
			t.Errorf("three took %s, want 30ms", took)
		}
		if _, load := hop.ParseLoad(ask().load); !load.Known || load.Queued+load.InFlight != 0 {
			t.Errorf("an idle node says %+v", load)
		}
		f.takes.Store(int64(time.Hour))
		ctx, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		if err := f.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has left: %v", err)
		}
	})
}

func TestJobsAreAllThatMakesSense(t *testing.T) {
	count := func(o options) map[string]int {
		n := map[string]int{}
		for _, j := range o.jobs() {
			n[j.carrier]++
			if j.carrier == "grpc" && j.fault.via == fronted {
				t.Errorf("%s over gRPC: nobody could answer", j.fault.name)
			}
		}
		return n
	}
	if n := count(options{}); n["hop"] != len(faults()) || n["http"] == 0 || n["http"] >= n["hop"] || n["grpc"] == 0 {
		t.Errorf("by default %v", n)
	}
	if n := count(options{quick: true}); n["hop"] != len(faults()) || len(n) != 1 {
		t.Errorf("quick %v", n)
	}
	if n := count(options{carrier: []string{"grpc"}, only: []string{"kill", "garbage", "stuck"}}); n["grpc"] != 2 || len(n) != 1 {
		t.Errorf("some over gRPC: %v", n)
	}
}
