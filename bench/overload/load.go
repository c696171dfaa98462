//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// patience is how long a client waits for its answer.
	patience = time.Second
	// atOnce is for how long requests are gathered that are due, so that thousands a second cost no timer each. It makes some
	// late by as much, and counts as part of their times.
	atOnce   = 500 * time.Microsecond
	path     = "/v2/models/m/infer"
	question = `{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}`
)

// outcome is what became of one request.
type outcome struct {
	status int           // 0 = no answer in time, or none at all
	due    time.Duration // since the load began
	took   time.Duration // since it was due
	unsent time.Duration // of that, until it was sent: the generator's own lateness
	later  bool          // it was told when to come back
}

// sinceSent is what it took without what the generator was late.
func (o *outcome) sinceSent() time.Duration { return max(0, o.took-o.unsent) }

// clients ask one address.
type clients struct {
	url  string
	http fasthttp.Client
}

func newClients(address string) *clients {
	return &clients{url: "http://" + address + path, http: fasthttp.Client{
		MaxConnsPerHost:           1 << 14, // each request its own, if it must be
		MaxIdemponentCallAttempts: 1,       // a request that failed has failed
		MaxIdleConnDuration:       3 * time.Second,
		ReadTimeout:               patience, WriteTimeout: patience,
	}}
}

// offer sends requests at that rate for so long, due at even times, and returns what became of each.
func (c *clients) offer(ctx context.Context, rate float64, during time.Duration) []outcome {
	total := int(rate * during.Seconds())
	outcomes := make([]outcome, total)
	began := time.Now()
	var all sync.WaitGroup
	for i := 0; i < total && ctx.Err() == nil; i++ {
		due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(max(wait, atOnce))
		}
		all.Go(func() {
			outcomes[i] = c.ask(due)
			outcomes[i].due = due.Sub(began)
		})
	}
	all.Wait()
	return outcomes
}

// ask sends one request that is due at that moment: what the generator is late counts for it.
func (c *clients) ask(due time.Time) outcome {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(c.url)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetContentType("application/json")
	req.SetBodyString(question)
	o := outcome{unsent: max(0, time.Since(due))}
	err := c.http.DoDeadline(req, resp, due.Add(patience))
	o.took = time.Since(due)
	if err == nil && o.took <= patience {
		o.status = resp.StatusCode()
		o.later = len(resp.Header.Peek(fasthttp.HeaderRetryAfter)) > 0
	}
	return o
}

// served is nil when a request is answered well.
func (c *clients) served() error {
	if o := c.ask(time.Now()); o.status != fasthttp.StatusOK {
		return fmt.Errorf("it answers with status %d; 0 is no answer", o.status)
	}
	return nil
}

// fill keeps so many requests under way for a while and returns how many were answered in a second.
func (c *clients) fill(ctx context.Context, at int, during time.Duration) float64 {
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	began := time.Now()
	for range at {
		all.Go(func() {
			for ctx.Err() == nil {
				if o := c.ask(time.Now()); o.status == fasthttp.StatusOK {
					mu.Lock()
					answered++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return float64(answered) / time.Since(began).Seconds()
}
