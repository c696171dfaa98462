package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/internal/oip"
	"ganglion/internal/testnode"
)

// refusing is what a node answers that refuses for a reason that is none of its own.
func refusing(why oip.Refusal, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(oip.RefusalName, string(why))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, `{"error":%q}`, text)
	}
}

// sensitive opens circuits early and for good; its retries do not run out.
const sensitive = twoNodes + "[pools.main.breaker]\nconsecutive_failures = 5\nopen_time = \"1h\"\n[pools.main.retry]\nbudget_floor = 1000\nbudget_burst = 1000\n" + anyRoute

// circuits are those of all nodes.
func (e *edge) circuits() (all []string) {
	for _, p := range e.gateway.Status().Pools {
		for _, n := range p.Nodes {
			all = append(all, n.Circuit)
		}
	}
	return all
}

// inferring is a question to a model; node is who answered it.
func (e *edge) inferring(t *testing.T, model string) (node string) {
	t.Helper()
	return e.do("POST", "/v2/models/"+model+"/infer", inferBody).want(t, 200).node()
}

// A node that says that it is full, or has not the model, is quick to say so: it must not look like the least loaded one.
func TestAModelThatIsRefusedOnOneNodeDoesNotTakeTheNodeOut(t *testing.T) {
	for _, why := range []oip.Refusal{oip.NotReady, oip.Full} {
		t.Run(string(why), func(t *testing.T) {
			a, b := testnode.Start(t), testnode.Start(t)
			// The next probe would find that the model is there.
			rarely := strings.NewReplacer(`interval = "20ms"`, `interval = "1h"`, `interval = "10ms"`, `interval = "1h"`).Replace(sensitive)
			e := start(t, rarely+"[routes.torn]\npool = \"main\"\n[routes.good]\npool = \"main\"\n", a, b)
			refuse := refusing(why, "not here")
			a.Handle(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/torn/") {
					w.Header().Set("Retry-After", "20")
					refuse(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"model_name":"good","outputs":[]}`)
			})
			for range 25 {
				if got := e.inferring(t, "torn"); got != b.Name() {
					t.Fatalf("answered by %q, want the other node", got)
				}
			}
			if got := fmt.Sprint(e.circuits()); got != "[closed closed]" || a.Requests() != 1 {
				t.Errorf("circuits %s after %d refusals, want both closed after one", got, a.Requests())
			}
			for range 10 {
				e.inferring(t, "good")
			}
			if got := a.Requests() - 1; got != 5 {
				t.Errorf("of ten requests for a good model the node got %d, want 5", got)
			}
		})
	}
}

func TestANodeThatSaysItDrainsGetsNothingNew(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, strings.ReplaceAll(twoNodes, "0ms", "0m")+anyRoute, a, b)
	a.Handle(refusing(oip.Draining, "going"))
	for range 25 {
		if got := e.infer().want(t, 200); got.node() != b.Name() {
			t.Fatalf("answered by %q, want the other node", got.node())
		}
	}
	if st := e.gateway.Status().Pools[0].Nodes[0]; a.Requests() != 1 || st.Draining != "node" {
		t.Errorf("it was asked %d times, want once; draining = %q", a.Requests(), st.Draining)
	}
}

func TestAModelThatIsBrokenEverywhereOpensNoCircuit(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, sensitive, a, b)
	a.Handle(refusing(oip.NotReady, "torn"))
	b.Handle(refusing(oip.NotReady, "torn"))
	for range 25 {
		got := e.infer().want(t, 503)
		if got.message() != "torn" || got.header.Get(oip.RefusalName) != "" {
			t.Fatalf("the client reads %q with %v, want the node's words and no word between us and the node", got.body, got.header)
		}
	}
	if got := fmt.Sprint(e.circuits()); got != "[closed closed]" {
		t.Errorf("circuits %s, want both closed", got)
	}
}

func TestATimeoutOfTheRequestsOwnIsPassedOn(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	e := start(t, sensitive, a, b)
	a.Handle(refusing(oip.Expired, "Request timeout expired"))
	b.Handle(refusing(oip.Expired, "Request timeout expired"))
	for range 25 {
		if got := e.infer().want(t, 503); got.message() != "Request timeout expired" {
			t.Fatalf("the client reads %q", got.body)
		}
	}
	if got := a.Requests() + b.Requests(); got != 25 {
		t.Errorf("%d attempts for 25 requests, want none repeated", got)
	}
	if got := fmt.Sprint(e.circuits()); got != "[closed closed]" {
		t.Errorf("circuits %s, want both closed", got)
	}
	if line := e.logged(25)[0]; line["reason"] != "rejected" {
		t.Errorf("the log says %v", line)
	}
}

// An exchange that took two attempts says in its line why the first was not good enough. Its client reads nothing of it.
func TestTheLogSaysWhatAFailedAttemptAnswered(t *testing.T) {
	long := `{"error":"` + strings.Repeat("ä", 1000) + `"}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a refusal":     {503, `{"error":"model \"torn\" is not ready"}`, `node answered 503: model "torn" is not ready`},
		"other JSON":    {500, `{"detail":1}`, `node answered 500: {"detail":1}`},
		"no JSON":       {502, "<h1>bad\x00\r\n\x1b[31mgateway\xff", "node answered 502: <h1>bad [31mgateway"},
		"nothing":       {500, "", "node answered 500"},
		"a long answer": {500, long, "node answered 500: " + strings.Repeat("ä", 100)},
		"node is full":  {429, `{"error":"full"}`, "node answered 429: full"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := testnode.Start(t), testnode.Start(t)
			e := start(t, twoNodes+anyRoute, a, b)
			bad := func(_ *testnode.Node, w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}
			a.Next(1, bad)
			b.Next(1, bad)
			if got := e.infer("X-Request-Id: q").want(t, c.status); got.body != c.body { // both, so that the client gets the words
				t.Errorf("the client reads %q", got.body)
			}
			a.Next(1, bad)
			e.infer().want(t, 200)
			e.infer().want(t, 200)
			retried := false
			for i, line := range e.logged(3) {
				retried = retried || i > 0 && line["attempts"] == 2.0
				if (line["attempts"] == 2.0 && line["error"] != c.want) || (line["attempts"] == 1.0 && line["error"] != nil) {
					t.Errorf("the log has %v, want the error %q where there was one", line, c.want)
				}
			}
			if !retried {
				t.Error("no exchange took two attempts: the test shows nothing")
			}
		})
	}
}

// What went wrong without an answer is told apart, in words that name the setting where there is one.
func TestTheLogSaysWhyThereWasNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		send string
		hold bool // keeps the connection open afterwards
		want string
	}{
		"silence":         {"", true, "the node was silent until the time was up"},
		"hung up":         {"", false, "the node hung up before the first byte of its answer"},
		"half a head":     {"HTTP/1.1 200 OK\r\nContent-Le", true, "the node's answer was not complete when the time was up"},
		"half a body":     {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true, "the node's answer was not complete when the time was up"},
		"a large body":    {"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n", true, "answer is larger than upstream.max_answer (1KiB)"},
		"a large head":    {"HTTP/1.1 200 OK\r\nX-Large: " + strings.Repeat("x", 9000) + "\r\n\r\n", true, "headers of the answer are larger than 8KiB"},
		"bare line feeds": {"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", true, "a line of the answer's headers ends in LF without CR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := "1m"
			if strings.Contains(c.want, "the time was up") {
				timeout = "3s" // enough to hear what the node has to say
			}
			address := scripted(t, c.send, c.hold)
			e := start(t, fmt.Sprintf("[upstream]\nmax_answer = \"1KiB\"\n[pools.main]\nnodes = [{ address = %q }]\n[routes.\"*\"]\npool = \"main\"\ntimeout = %q\n", address, timeout))
			got := e.infer()
			line := e.logged(1)[0]
			said, _ := line["error"].(string)
			if !strings.Contains(said, c.want) || strings.Contains(said, "fasthttp") || strings.Contains(said, "xxx") {
				t.Errorf("the log says %q, want %q", said, c.want)
			}
			if got.status < 500 || strings.Contains(got.body, c.want) {
				t.Errorf("the client reads %d %q", got.status, got.body)
			}
			if timedOut := got.status == 504; timedOut != strings.Contains(c.want, "the time was up") {
				t.Errorf("the client got %d", got.status)
			}
		})
	}
}

// scripted is a node that is ready, and answers everything else with the same bytes.
func scripted(t *testing.T, send string, hold bool) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	answer := func(c net.Conn) {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // no test holds a connection for longer
		head := make([]byte, 4096)
		if n, _ := c.Read(head); strings.HasPrefix(string(head[:n]), "GET /v2/health/ready") {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_, _ = io.WriteString(c, send)
		if hold {
			_, _ = c.Read(head) // until the gateway hangs up
		}
	}
	group.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() { answer(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		group.Wait()
	})
	return ln.Addr().String()
}
