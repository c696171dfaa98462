package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ganglion/gateway"
	"ganglion/gateway/admin"
	"ganglion/internal/conf"
	"ganglion/internal/testnode"
)

// running is a gateway with its admin port, and the file that it was started from.
type running struct{ url, admin, file string }

func runGateway(t *testing.T, config string) running {
	t.Helper()
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	clients, operators := listen(), listen()
	r := running{url: "http://" + clients.Addr().String(), admin: operators.Addr().String()}
	r.file = write(t, "[server]\ngrpc = \"\"\nadmin = \""+r.admin+"\"\ndrain_delay = \"0s\"\n"+config)
	cfg, _, err := gateway.LoadConfig(r.file)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	edge, err := gateway.New(cfg, gateway.Options{Version: "test", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	reload := func(ctx context.Context) (gateway.Reloaded, error) {
		return edge.Reload(ctx, func() (*gateway.Config, conf.Problems, error) { return gateway.LoadConfig(r.file) })
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- edge.Run(ctx, clients, nil) }()
	go func() { done <- admin.New(edge, reload, prometheus.NewRegistry(), quiet).Run(ctx, operators) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	waitFor(t, func() bool {
		for _, p := range edge.Status().Pools {
			for _, n := range p.Nodes {
				if n.State == "unknown" {
					return false
				}
			}
		}
		return true
	})
	return r
}

func twoNodes(a, b *testnode.Node) string {
	return fmt.Sprintf("[pools.main]\npolicy = \"round_robin\"\nnodes = [{ address = %q }, { address = %q }]\n[routes.\"*\"]\npool = \"main\"\n", a.Address(), b.Address())
}

// The wait shows how the node gets empty, and ends when it is.
func TestDrainWaitsUntilTheNodeIsEmpty(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	g := runGateway(t, twoNodes(a, b))
	release := a.Hang()
	defer release()
	got := make(chan int, 20)
	for range cap(got) {
		go func() {
			resp, err := http.Post(g.url+"/v2/models/m/infer", "application/json", strings.NewReader(`{"inputs":[]}`))
			if err != nil {
				got <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			got <- resp.StatusCode
		}()
	}
	waitFor(t, func() bool { return a.Requests() >= 2 })
	out, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(t.Context(), []string{"drain", a.Address(), "--wait", "--config", g.file}, printed, io.Discard)
		printed.Close()
	}()
	first := make([]byte, 4096)
	n, err := out.Read(first)
	if want := "^" + regexp.QuoteMeta(a.Address()) + ` in pool main is drained, [1-9]\d* in flight\n$`; err != nil || !regexp.MustCompile(want).Match(first[:n]) {
		t.Errorf("it printed %q, %v, want %s", first[:n], err, want)
	}
	release()
	rest, err := io.ReadAll(out)
	if err != nil || !strings.HasSuffix(string(rest), a.Address()+" in pool main: 0 in flight\nempty: it can be stopped\n") {
		t.Errorf("then %q, %v", rest, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for range cap(got) {
		if status := <-got; status != http.StatusOK {
			t.Errorf("a request got %d", status)
		}
	}
	stdout, _, err := call(t, "drain", "--undo", a.Address(), "--admin", g.admin)
	if want := a.Address() + " in pool main takes requests again\n"; stdout != want || err != nil {
		t.Errorf("undo: %q, %v, want %q", stdout, err, want)
	}
}

func TestDrainThatTakesTooLong(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	g := runGateway(t, twoNodes(a, b))
	defer a.Hang()()
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	for range 10 {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v2/models/m/infer", strings.NewReader(`{"inputs":[]}`))
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
			asked <- struct{}{}
		}()
	}
	defer func() {
		cancel()
		for range 10 {
			<-asked
		}
	}()
	waitFor(t, func() bool { return a.Requests() >= 1 })
	_, _, err := call(t, "drain", a.Address(), "--wait", "--timeout", "300ms", "--admin", g.admin)
	if err == nil || err.Error() != "not empty after 300ms; it stays drained" || exitCode(err) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestDrainRefusals(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	g := runGateway(t, twoNodes(a, b))
	nobody := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return ln.Addr().String()
	}()
	off := write(t, "[server]\nadmin = \"\"\n"+good)
	f := func(code int, want string, args ...string) {
		t.Helper()
		out, _, err := call(t, append([]string{"drain"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != code {
			t.Errorf("%q: %v after %q, want %q", args, err, out, want)
		}
	}
	f(2, "which node?")
	f(2, "one node at a time, not a and b", "a", "b")
	f(2, "--undo goes with neither", "a", "--undo", "--wait")
	f(2, "accepted is a time", "a", "--timeout", "0s")
	f(2, "not defined: -nosuch", "a", "--nosuch")
	f(2, `--admin "nowhere" is no address`, "a", "--admin", "nowhere")
	f(1, "cannot learn from nowhere.toml where the gateway's admin port is (--admin HOST:PORT says it too)", "a", "--config", "nowhere.toml")
	f(1, "turns the admin port off", "a", "--config", off)
	f(1, "no gateway answers at "+nobody+": connect: connection refused; is it running", "a", "--admin", nobody)
	f(1, "the gateway at "+strings.TrimPrefix(g.url, "http://")+" says: Not Found", "a", "--admin", strings.TrimPrefix(g.url, "http://"))
	f(1, fmt.Sprintf("did you mean %q?", a.Address()), a.Address()+"0", "--config", g.file)
	f(1, `no pool is named "mian"; did you mean "main"?`, a.Address(), "--pool", "mian", "--config", g.file)
	if out, _, err := call(t, "drain", a.Address(), "--config", g.file); err != nil {
		t.Error(out, err)
	}
	f(1, "or force it", b.Address(), "--config", g.file)
	out, _, err := call(t, "drain", b.Address(), "--force", "--config", g.file)
	if err != nil || !strings.Contains(out, "goes on getting requests: no other node takes them") {
		t.Errorf("forced: %q, %v", out, err)
	}
}

func TestStatusIsATable(t *testing.T) {
	a, b := testnode.Start(t), testnode.Start(t)
	list := t.TempDir() + "/nodes.txt"
	g := runGateway(t, twoNodes(a, b)+"cache = { ttl = \"10m\" }\n[pools.main.discover]\nfile = \""+list+"\"\n[pools.next]\nnodes = [{ address = \"127.0.0.1:9\" }]\n"+
		"[routes.m]\npool = \"main\"\ncanary = { pool = \"next\", weight = 5 }\n[pools.next.health]\nrise = 1\n")
	if _, _, err := call(t, "drain", a.Address(), "--admin", g.admin); err != nil {
		t.Fatal(err)
	}
	var out string
	waitFor(t, func() bool {
		var err error
		if out, _, err = call(t, "status", "--config", g.file); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(out, "does not exist")
	})
	for _, want := range []string{
		`(?m)^gateway test, up \S+, 0 in flight, ready$`,
		`(?m)^pool main$`,
		`(?m)^pool next: no node is up$`,
		`(?m)^  node +state +circuit +in flight +load +weight +drains +attempts +failed +over +notes$`,
		`(?m)^  ` + regexp.QuoteMeta(a.Address()) + ` +up +closed +0 +- +1 +operator +0 +0 +http/1.1 +$`,
		`(?m)^  from file \S+nodes.txt: 0 nodes; \S+nodes.txt does not exist; looks again in \S+$`,
		`(?m)^\* +30s +10m +stable main$`,
		`(?m)^m +30s +- +stable main 95 %, canary next 5 %$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if got := source(gateway.SourceStatus{Source: "file n", Nodes: 2, Age: new(3.0), Error: "gone"}); got != "file n: 2 nodes, learned 3s ago; gone; looks again in 0s" {
		t.Errorf("a list that is kept: %q", got)
	}
	out, _, err := call(t, "status", "--pool", "next", "--admin", g.admin, "--json")
	var st gateway.Status
	if err != nil || json.Unmarshal([]byte(out), &st) != nil || len(st.Pools) != 1 || len(st.Routes) != 1 || st.Routes[0].Name != "m" {
		t.Errorf("of one pool: %v\n%s", err, out)
	}
	if _, _, err := call(t, "status", "--pool", "nxt", "--admin", g.admin); err == nil || err.Error() != `no pool is named "nxt"; did you mean "next"?` {
		t.Errorf("a pool that is not there: %v", err)
	}
}

func TestTimesAreShort(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0s", 0.00123: "1.23ms", 0.1: "100ms", 2.345: "2.35s", 61: "1m1s", 600: "10m", 7200: "2h", 3725: "1h2m5s",
	} {
		if got := round(seconds); got != want {
			t.Errorf("%g s are %q, want %q", seconds, got, want)
		}
	}
}
