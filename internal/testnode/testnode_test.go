package testnode

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const inferPath = "/v2/models/iris/infer"

// newClient makes a client that repeats nothing and leaves nothing behind.
func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// post sends one infer request. GetBody is left out so that net/http cannot repeat it on a stale connection.
func post(ctx context.Context, c *http.Client, n *Node, body string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL()+inferPath, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		return 0, "", err
	}
	response, err := c.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

func mustPost(t *testing.T, c *http.Client, n *Node) (int, string) {
	t.Helper()
	status, body, err := post(t.Context(), c, n, `{"id":"7"}`)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

func TestPlainAnswer(t *testing.T) {
	n, c := Start(t), newClient(t)
	status, body := mustPost(t, c, n)
	var answer struct {
		Model   string `json:"model_name"`
		ID      string `json:"id"`
		Outputs []struct{ Data []float64 }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if status != 200 || answer.Model != "iris" || answer.ID != "7" || len(answer.Outputs) != 1 {
		t.Errorf("got %d %s", status, body)
	}
	last := n.Last()
	if n.Requests() != 1 || last.Path != inferPath || string(last.Body) != `{"id":"7"}` || last.Method != http.MethodPost {
		t.Errorf("%d requests, the last %+v", n.Requests(), last)
	}
}

func TestEndpoints(t *testing.T) {
	n, c := Start(t), newClient(t)
	want := func(path string, status int, text string) {
		t.Helper()
		response, err := c.Get(n.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != status || !strings.Contains(string(body), text) {
			t.Errorf("%s: got %d %s, want %d with %s", path, response.StatusCode, body, status, text)
		}
		if status == 200 && response.Header.Get(NameHeader) != n.Name() {
			t.Errorf("%s: %s = %q, want %q", path, NameHeader, response.Header.Get(NameHeader), n.Name())
		}
	}
	want("/v2", 200, `"testnode"`)
	want("/v2/models/iris", 200, `"iris"`)
	want("/v1/models/iris:predict", 200, `"predictions"`)
	want("/nowhere", 404, `"error"`)
	want("/v2/health/live", 200, `true`)
	want("/v2/health/ready", 200, `{"ready":true}`)
	n.SetReady(false)
	want("/v2/health/ready", 503, `{"ready":false}`)
	want("/v2/models/iris/ready", 503, `false`)
	want("/v2/models/iris/infer", 200, `"outputs"`)
	if n.Probes() != 4 || n.Requests() != 4 {
		t.Errorf("%d probes and %d requests, want 4 of each", n.Probes(), n.Requests())
	}
}

func TestFailNextThenAlwaysThenHeal(t *testing.T) {
	n, c := Start(t), newClient(t)
	n.FailAlways(503)
	n.FailNext(2, 500)
	n.Next(1, Status(429))
	for i, want := range []int{500, 500, 429, 503, 503} {
		if status, body := mustPost(t, c, n); status != want || !strings.Contains(body, `"error"`) {
			t.Errorf("request %d: got %d %s, want %d", i, status, body, want)
		}
	}
	n.Heal()
	if status, _ := mustPost(t, c, n); status != 200 {
		t.Errorf("got %d after Heal", status)
	}
}

// TestBrokenConnections tells apart what the client sees of each fault.
func TestBrokenConnections(t *testing.T) {
	reset := func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
	for _, c := range []struct {
		name  string
		fault Fault
		is    func(status int, body string, err error) bool
	}{
		{"Reset", Reset, func(status int, _ string, err error) bool { return status == 0 && reset(err) }},
		{"ResetMidAnswer", ResetMidAnswer, func(status int, _ string, err error) bool {
			// The reset may overtake the bytes before it.
			return err != nil && (status == 200 || reset(err))
		}},
		{"HalfAnswer", HalfAnswer, func(status int, body string, err error) bool {
			return status == 200 && body != "" && errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{"NoAnswer", NoAnswer, func(status int, _ string, err error) bool { return status == 0 && errors.Is(err, io.EOF) }},
		{"Garbage", Garbage, func(status int, _ string, err error) bool {
			return status == 0 && err != nil && strings.Contains(err.Error(), "malformed HTTP")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, client := Start(t), newClient(t)
			n.Next(1, c.fault)
			if status, body, err := post(t.Context(), client, n, "{}"); !c.is(status, body, err) {
				t.Errorf("the client saw %d %q, %v", status, body, err)
			}
			if status, _ := mustPost(t, client, n); status != 200 {
				t.Errorf("got %d afterwards", status)
			}
		})
	}
}

// TestStaleKeepAlive uses one connection by hand: a client library would hide the race.
func TestStaleKeepAlive(t *testing.T) {
	request := "POST " + inferPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
	for name, script := range map[string]func(*Node){
		"CloseAfterAnswer": func(n *Node) { n.Always(CloseAfterAnswer) },
		"CloseIdleAfter":   func(n *Node) { n.CloseIdleAfter(time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			n := Start(t)
			script(n)
			conn, err := net.Dial("tcp", n.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(conn, request)
			all, err := io.ReadAll(conn) // ends only because the node closes
			if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 200") {
				t.Fatalf("got %q, %v", all, err)
			}
			if strings.Contains(strings.ToLower(string(all)), "connection: close") {
				t.Error("the answer gives away that the connection will be closed")
			}
		})
	}
}

// leaves sends a request and leaves once it is at the node.
func leaves(t *testing.T, c *http.Client, n *Node) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	before := n.Requests()
	go func() {
		_, _, err := post(ctx, c, n, "{}")
		left <- err
	}()
	eventually(t, "the request arrives", func() bool { return n.Requests() > before })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want that of who has left", err)
	}
}

func TestHangUntilReleased(t *testing.T) {
	n, c := Start(t), newClient(t)
	release := n.Hang()
	leaves(t, c, n)
	eventually(t, "the node notices that the client left", func() bool { return n.Gone() == 1 })
	answered := make(chan int, 1)
	go func() {
		status, _, _ := post(context.Background(), c, n, "{}")
		answered <- status
	}()
	eventually(t, "the second request arrives", func() bool { return n.Requests() == 2 })
	if response, err := c.Get(n.URL() + "/v2/health/ready"); err != nil {
		t.Errorf("probes hang too: %v", err)
	} else {
		response.Body.Close()
	}
	release()
	release()
	if status := <-answered; status != 200 {
		t.Errorf("got %d after release", status)
	}
}

func TestFreezeHoldsProbesToo(t *testing.T) {
	n, c := Start(t), newClient(t)
	thaw := n.Freeze()
	answered := make(chan error, 1)
	go func() {
		response, err := c.Get(n.URL() + "/v2/health/ready")
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("answered while frozen: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	thaw()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestDelayEndsWithTheClient(t *testing.T) {
	n, c := Start(t), newClient(t)
	n.SetDelay(time.Hour)
	leaves(t, c, n)
	eventually(t, "the node notices that the client left", func() bool { return n.Gone() == 1 })
	n.SetDelay(5 * time.Millisecond)
	began := time.Now()
	if status, _ := mustPost(t, c, n); status != 200 || time.Since(began) < 5*time.Millisecond {
		t.Errorf("got %d after %v", status, time.Since(began))
	}
}

func TestHandle(t *testing.T) {
	n, c := Start(t), newClient(t)
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "echo ")
		io.Copy(w, r.Body)
	})
	if _, body := mustPost(t, c, n); body != `echo {"id":"7"}` {
		t.Errorf("got %q", body)
	}
}

func TestStopAndRestartKeepThePort(t *testing.T) {
	n, c := Start(t), newClient(t)
	mustPost(t, c, n)
	address := n.Address()
	n.Stop()
	n.Stop()
	if _, _, err := post(t.Context(), c, n, "{}"); err == nil {
		t.Fatal("a stopped node answered")
	}
	n.Restart()
	if status, _ := mustPost(t, c, n); status != 200 || n.Address() != address || n.Requests() != 2 {
		t.Errorf("got %d from %s, %d requests", status, n.Address(), n.Requests())
	}
}

func TestStopBreaksWhatIsInFlight(t *testing.T) {
	n, c := Start(t), newClient(t)
	n.Hang() // never released: the end of the test must do
	broken := make(chan error, 1)
	go func() {
		_, _, err := post(context.Background(), c, n, "{}")
		broken <- err
	}()
	eventually(t, "the request arrives", func() bool { return n.Requests() == 1 })
	n.Stop()
	if err := <-broken; err == nil {
		t.Error("the exchange in flight was answered")
	}
}

func TestBinaryRequestID(t *testing.T) {
	n, c := Start(t), newClient(t)
	head := `{"id":"bin"}`
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL()+inferPath, strings.NewReader(head+"\x00\x01"))
	request.Header.Set("Inference-Header-Content-Length", "12")
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), `"id":"bin"`) {
		t.Errorf("got %s", body)
	}
}

// eventually polls, as long as a loaded machine may need.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// The port of a stopped node is refused to everybody who asks the kernel for one, and to its clients.
func TestAStoppedNodeKeepsItsPort(t *testing.T) {
	n := Start(t)
	n.Stop()
	for range 20_000 { // most of the ports that there are
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		listener.Close()
		if address == n.Address() {
			t.Fatal("somebody else was given the port")
		}
	}
	if c, err := net.Dial("tcp", n.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		t.Errorf("got %v, want that the connection is refused", err)
	}
	n.Restart()
}
