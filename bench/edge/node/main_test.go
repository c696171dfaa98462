package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Both end by themselves: the first sleeps through a stop for up to ten
	// seconds, the second belongs to the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestNodeAnswersCountsAndStops(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{addr}, nil) }()

	client := &http.Client{Transport: &http.Transport{}}
	deadline := time.Now().Add(10 * time.Second)
	for {
		resp, err := client.Get("http://" + addr + "/v2/health/ready")
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for range 2 {
		resp, err := client.Post("http://"+addr+"/v2/models/m/infer", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, resp); got != answer {
			t.Errorf("answer is %q", got)
		}
	}
	resp, err := client.Get("http://" + addr + "/count")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, resp); got != "2" {
		t.Errorf("count is %q, want 2", got)
	}

	cancel() // while the client keeps its connection open
	if err := <-done; err != nil {
		t.Error(err)
	}
	client.CloseIdleConnections()
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
