//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ganglion/internal/hop"
)

// askHop is ask over one hop, as a gateway asks.
func askHop(ctx context.Context, address, model string, s shape, n, most int) (answers, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return answers{}, err
	}
	if err := hop.Upgrade(nc, address, time.Now().Add(time.Minute)); err != nil {
		return answers{}, errors.Join(err, nc.Close())
	}
	conn, err := hop.Open(nc, hop.DefaultConfig())
	if err != nil {
		return answers{}, errors.Join(err, nc.Close())
	}
	var running, clients sync.WaitGroup
	running.Go(func() { _ = conn.Run(context.Background()) }) // how it ended, its exchanges tell
	var left, given atomic.Int64
	left.Store(int64(most))
	if most == 0 {
		left.Store(1 << 62)
	}
	errs := make(chan error, n)
	for range n {
		clients.Go(func() { errs <- hopClient(ctx, conn, model, s, &left, &given) })
	}
	clients.Wait()
	conn.Close()
	running.Wait()
	for range n {
		err = errors.Join(err, <-errs)
	}
	return answers{answers: int(given.Load())}, err
}

// hopClient asks the same question again and again.
func hopClient(ctx context.Context, conn *hop.Conn, model string, s shape, left, given *atomic.Int64) error {
	body, header := encode(s)
	path := []byte("/v2/models/" + model + "/infer")
	var x hop.Exchange
	for ctx.Err() == nil && left.Add(-1) >= 0 {
		x.Reset()
		x.Request.Method, x.Request.Path, x.Request.Body, x.Request.InferenceHeaderLength = hop.MethodPost, path, body, header
		if err := conn.Do(&x); err != nil {
			return err
		}
		if x.Response.Status != http.StatusOK {
			return fmt.Errorf("the node answered %d %s", x.Response.Status, x.Response.Body)
		}
		given.Add(1)
	}
	return nil
}
