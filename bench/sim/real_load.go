package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// measureAll sends the requests to the gateways of each policy, to all of them at once, so that what else the machine does is the same
// for all. It fills in what they made of them.
func measureAll(ctx context.Context, s *scenario, requests []request, policies []ranked, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	family := &family{stderr: stderr}
	defer family.end()
	addresses := make([][]string, len(policies))
	for i := range policies {
		nodes := make([]string, realNodes)
		for n := range nodes {
			var err error
			if nodes[n], err = family.start(ctx, "node", s.nodeArguments(n)...); err != nil {
				return err
			}
		}
		for range s.gateways {
			address, err := family.start(ctx, "gateway", append([]string{policies[i].policy}, nodes...)...)
			if err != nil {
				return err
			}
			addresses[i] = append(addresses[i], address)
		}
	}
	for _, address := range slices.Concat(addresses...) {
		if err := awaitReady(ctx, address); err != nil {
			return err
		}
	}
	var loads sync.WaitGroup
	begin := time.Now().Add(100 * time.Millisecond)
	for i := range policies {
		loads.Go(func() { policies[i].measure(ctx, addresses[i], requests, begin) })
	}
	loads.Wait()
	return ctx.Err()
}

// awaitReady waits until the gateway has an answer from each of its nodes: those come from nodes that are ready.
func awaitReady(ctx context.Context, address string) error {
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for good := 0; good < 4*realNodes; {
		status, err := post(ctx, http.DefaultClient, address, 0)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("the gateway at %s is not ready after %s", address, patience)
		case err != nil || status != http.StatusOK:
			time.Sleep(20 * time.Millisecond)
		default:
			good++
		}
	}
	return nil
}

// measure sends each request to its gateway when it is due, whatever became of those before it; a latency counts from when it was due.
func (p *ranked) measure(ctx context.Context, gateways []string, requests []request, begin time.Time) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}
	defer client.CloseIdleConnections()
	var sent sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	for i := range requests {
		due := begin.Add(requests[i].at)
		time.Sleep(time.Until(due)) // the schedule of the load, not a wait for anything
		if ctx.Err() != nil {
			break
		}
		sent.Go(func() {
			status, err := post(ctx, client, gateways[requests[i].gateway], requests[i].work)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || status != http.StatusOK {
				p.failed++
				return
			}
			p.answers++
			if i >= len(requests)/10 { // as the simulation's warm-up
				took = append(took, time.Since(due))
			}
		})
	}
	sent.Wait()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	p.real = took[min(int(0.99*float64(len(took))), len(took)-1)]
}

// post asks for an inference that takes so much work on a node of speed 1.
func post(ctx context.Context, client *http.Client, address string, work time.Duration) (status int, err error) {
	body := strconv.AppendInt([]byte(`{"inputs":[{"name":"work","shape":[1],"datatype":"INT64","data":[`), int64(work), 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v2/models/"+sleeper+"/infer", bytes.NewReader(append(body, "]}]}"...)))
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
