package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// timedBody is the usual request with a timeout of its own.
func timedBody(micros string) string {
	return strings.TrimSuffix(inferBody, "}") + `,"parameters":{"timeout":` + micros + `}}`
}

// timedMessage is the same as a message.
func timedMessage(t *testing.T, micros int64) *pb.ModelInferRequest {
	t.Helper()
	in := question("m", "q", 1)
	in.Parameters = map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: micros}}}
	return in
}

const anyRouteForAMinute = "[routes.\"*\"]\npool = \"main\"\ntimeout = \"1m\"\n"

// blamed is how many attempts were held against a node, or against its model.
func (e *edge) blamed() float64 {
	e.t.Helper()
	return e.metric("ganglion_attempts_total", "outcome", "failure") + e.metric("ganglion_attempts_total", "outcome", "fault")
}

// However a client says it: when its time is over it is told so at once, by its own words, and no node is blamed.
func TestAClientsOwnDeadlineBlamesNobody(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRouteForAMinute, n)
	defer n.Hang()()
	message, err := proto.Marshal(timedMessage(t, 1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	json := timedBody("1000000")
	var asking sync.WaitGroup // all at once, so that there is time for each to get to the node
	for name, ask := range map[string]func() answer{
		"header":    func() answer { return e.infer("X-Request-Timeout-Ms: 1000") },
		"parameter": func() answer { return e.do("POST", inferPath, json) },
		"parameter before tensors": func() answer {
			return e.do("POST", inferPath, json+"\x00\x00\x80\x3f", "Inference-Header-Content-Length: "+strconv.Itoa(len(json)))
		},
		"message":            func() answer { return e.do("POST", inferPath, string(message), "Content-Type: application/x-protobuf") },
		"the shorter of two": func() answer { return e.do("POST", inferPath, json, "X-Request-Timeout-Ms: 50000") },
		"and the other":      func() answer { return e.do("POST", inferPath, timedBody("50000000"), "X-Request-Timeout-Ms: 1000") },
		"predict": func() answer {
			return e.do("POST", "/v1/models/m:predict", `{"instances":[1]}`, "X-Request-Timeout-Ms: 1000")
		},
	} {
		asking.Go(func() {
			if got := ask(); got.status != 504 || !strings.Contains(got.message(), "1s that the request gave it") {
				t.Errorf("%s: the client reads %d %q", name, got.status, got.message())
			}
		})
	}
	asking.Wait()
	for _, line := range e.logged(7) {
		if line["reason"] != "deadline" || line["attempts"] != 1.0 {
			t.Errorf("the log says %v", line)
		}
	}
	if got := e.blamed(); got != 0 {
		t.Errorf("%v failures were counted against the node", got)
	}
	eventually(t, "the node to be told", func() bool { return n.Gone() == n.Requests() })
}

func TestACallsOwnDeadlineBlamesNobody(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRouteForAMinute, n)
	defer n.Hang()()
	client := e.calls()
	_, err := client.ModelInfer(t.Context(), timedMessage(t, 1_000_000))
	wantCode(t, err, codes.DeadlineExceeded)
	_, err = client.ModelInfer(metadata.AppendToOutgoingContext(t.Context(), "x-request-timeout-ms", "1000"), question("m", "", 1))
	wantCode(t, err, codes.DeadlineExceeded)
	for _, line := range e.logged(2) {
		if line["reason"] != "deadline" {
			t.Errorf("the log says %v", line)
		}
	}
	if got := e.blamed(); got != 0 {
		t.Errorf("%v failures were counted against the node", got)
	}
}

// A longer time than the route's changes nothing, nor does the zero that is Triton's word for none.
func TestALongerDeadlineIsTheRoutes(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+"[routes.\"*\"]\npool = \"main\"\ntimeout = \"1s\"\n", n)
	defer n.Hang()()
	var asking sync.WaitGroup
	for _, ask := range []func() answer{
		func() answer { return e.infer("X-Request-Timeout-Ms: 60000") },
		func() answer { return e.do("POST", inferPath, timedBody("18446744073709551615")) },
		func() answer { return e.do("POST", inferPath, timedBody("0")) },
	} {
		asking.Go(func() {
			if got := ask(); got.status != 504 || !strings.Contains(got.message(), "within 1s") {
				t.Errorf("the client reads %d %q", got.status, got.message())
			}
		})
	}
	asking.Wait()
	if line := e.logged(1)[0]; line["reason"] != "upstream_timeout" {
		t.Errorf("the log says %v", line)
	}
	if got := e.blamed(); got != 3 {
		t.Errorf("%v failures were counted against the node, want 3", got)
	}
}

func TestWhatIsNoTimeIsRefused(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for _, value := range []string{"0", "-5", "1.5", "250ms", "soon", "99999999999999999999"} {
		if got := e.infer("X-Request-Timeout-Ms: "+value).want(t, 400); !strings.Contains(got.message(), strconv.Quote(value)) ||
			!strings.Contains(got.message(), "whole number of milliseconds from 1") {
			t.Errorf("%q: the client reads %q", value, got.message())
		}
	}
	for _, value := range []string{`-1`, `1.5`, `"5"`, `true`} {
		if got := e.do("POST", inferPath, timedBody(value)).want(t, 400); !strings.Contains(got.message(), `parameter "timeout" is `+value) {
			t.Errorf("%s: the client reads %q", value, got.message())
		}
	}
	_, err := e.calls().ModelInfer(t.Context(), timedMessage(t, -1))
	wantCode(t, err, codes.InvalidArgument)
	req, err := http.NewRequestWithContext(t.Context(), "POST", e.url+inferPath, strings.NewReader(inferBody))
	if err != nil {
		t.Fatal(err)
	}
	req.Header["X-Request-Timeout-Ms"] = []string{"100", "200"}
	resp, err := e.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("two of them: %d, want 400", resp.StatusCode)
	}
	if n.Requests() != 0 {
		t.Errorf("%d of them reached the node", n.Requests())
	}
}

// A node is told how long the edge waits, whatever it speaks. None measures it here, so that a slow machine only lessens it.
func TestWhatIsLeftIsToldToTheNode(t *testing.T) {
	const asked, most = 20_000, 20 * time.Second
	given := make(chan time.Duration, 1)
	check := func(t *testing.T, e *edge) {
		t.Helper()
		e.infer(fmt.Sprint("X-Request-Timeout-Ms: ", asked)).want(t, 200)
		if got := <-given; got <= 0 || got > most {
			t.Errorf("the node has %s, the client waits %s", got, most)
		}
		e.infer().want(t, 200)
		if got := <-given; got <= most || got > time.Minute {
			t.Errorf("the node has %s of the route's minute", got)
		}
	}
	t.Run("http", func(t *testing.T) {
		n := testnode.Start(t)
		n.Handle(func(w http.ResponseWriter, r *http.Request) {
			ms, _ := strconv.Atoi(strings.Join(r.Header["X-Request-Timeout-Ms"], "; "))
			given <- time.Duration(ms) * time.Millisecond
			w.Write([]byte("{}"))
		})
		check(t, start(t, oneNode+anyRouteForAMinute, n))
	})
	t.Run("hop", func(t *testing.T) {
		n := ownNodes(t, 1)[0]
		n.Handle(func(w http.ResponseWriter, r *http.Request) {
			deadline, _ := r.Context().Deadline()
			given <- time.Until(deadline)
			w.Write([]byte("{}"))
		})
		e := start(t, oneNode+anyRouteForAMinute, n)
		e.awaitHops("hop")
		check(t, e)
	})
	t.Run("grpc", func(t *testing.T) {
		n := startRPCNode(t)
		n.seen = func(ctx context.Context) {
			deadline, _ := ctx.Deadline()
			given <- time.Until(deadline)
		}
		check(t, start(t, "[pools.main]\nnodes = [{ address = \""+n.address+"\", protocol = \"grpc\" }]\n"+anyRouteForAMinute))
	})
}

// A retry has what the first attempt left of the client's time.
func TestARetryHasWhatIsLeftOfTheClientsTime(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+anyRouteForAMinute, a, b)
	const used = 200 * time.Millisecond
	left := make(chan int, 2)
	slowly := func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.Header.Get("X-Request-Timeout-Ms"))
		left <- ms
		time.Sleep(used) // the model is slow
		w.WriteHeader(503)
	}
	a.Handle(slowly)
	b.Handle(slowly)
	e.infer("X-Request-Timeout-Ms: 20000").want(t, 503)
	if first := <-left; first <= 0 || first > 20_000 {
		t.Errorf("the first attempt had %d ms of 20000", first)
	}
	if second := <-left; second <= 0 || second > 20_000-int(used/time.Millisecond)+1 {
		t.Errorf("the second attempt had %d ms of 20000, of which the first had used %s", second, used)
	}
}
