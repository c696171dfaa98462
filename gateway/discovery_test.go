package gateway

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/discovery/dnstest"
	"ganglion/internal/testnode"
)

// zone is a DNS server whose SRV record lists test nodes.
type zone struct {
	*dnstest.Server
	name string
	ttl  uint32
}

func newZone(t testing.TB) *zone {
	t.Helper()
	s, err := dnstest.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Set("host.test.", 0, "A 127.0.0.1")
	return &zone{Server: s, name: "_oip._tcp.nodes.test."}
}

// list makes nodes the ones that the record names.
func (z *zone) list(nodes ...*testnode.Node) {
	var lines []string
	for _, n := range nodes {
		_, port, _ := strings.Cut(n.Address(), ":")
		lines = append(lines, "SRV 0 0 "+port+" host.test.")
	}
	z.Set(z.name, z.ttl, lines...)
}

// pool is the configuration of a pool that learns its nodes from the zone, looking ten times a second.
func (z *zone) pool(linger string) string {
	return fmt.Sprintf(`
[pools.main]
%%s
[pools.main.discover]
srv = %q
servers = [%q]
min_refresh = "100ms"
linger = %q
`, z.name, z.Address(), linger) + fastHealth
}

// members are the addresses of the pool's nodes, in order.
func (e *edge) members() []string {
	var all []string
	for _, n := range e.gateway.Status().Pools[0].Nodes {
		if n.Draining == "" {
			all = append(all, n.Address)
		}
	}
	slices.Sort(all)
	return all
}

func addresses(nodes ...*testnode.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Address())
	}
	slices.Sort(all)
	return all
}

func (e *edge) awaitMembers(nodes ...*testnode.Node) {
	e.t.Helper()
	eventually(e.t, "members "+strings.Join(addresses(nodes...), " "), func() bool {
		return slices.Equal(e.members(), addresses(nodes...))
	})
}

func (e *edge) awaitReady() {
	e.t.Helper()
	eventually(e.t, "the gateway being ready", func() bool { return e.gateway.Ready() == nil })
}

// clients ask until stopped; each failure is told.
type clients struct {
	asked, failed atomic.Int64
	stop          func()
}

func (e *edge) clients(n int) *clients {
	c := new(clients)
	done := make(chan struct{})
	var asking sync.WaitGroup
	for range n {
		asking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				status, err := e.ask()
				c.asked.Add(1)
				if err != nil || status != http.StatusOK {
					c.failed.Add(1)
					e.t.Errorf("a client got %d, %v", status, err)
					return
				}
			}
		})
	}
	c.stop = sync.OnceFunc(func() { close(done); asking.Wait() })
	e.t.Cleanup(c.stop)
	return c
}

// ask is one inference, for goroutines.
func (e *edge) ask() (int, error) {
	resp, err := e.client.Post(e.url+"/v2/models/m/infer", "application/json", strings.NewReader(`{"inputs":[]}`))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Records change every few hundred milliseconds while clients ask: nodes come and go, none of them with a request.
func TestNodesComeAndGoWithoutAFailure(t *testing.T) {
	z := newZone(t)
	all := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t), testnode.Start(t)}
	for _, n := range all {
		n.SetDelay(5 * time.Millisecond)
	}
	z.list(all...)
	e := launch(t, fmt.Sprintf(z.pool("150ms"), "")+anyRoute)
	e.awaitReady()
	e.awaitMembers(all...)
	c := e.clients(8)
	for range 8 {
		some := slices.Clone(all)
		rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		some = some[:1+rand.IntN(3)]
		z.list(some...)
		e.awaitMembers(some...)
		asked, lingers := c.asked.Load(), time.Now().Add(200*time.Millisecond)
		eventually(t, "some requests, and others to leave", func() bool { return c.asked.Load() > asked+20 && time.Now().After(lingers) })
	}
	c.stop()
	z.list(all[0])
	eventually(t, "the others gone", func() bool { return len(e.gateway.Status().Pools[0].Nodes) == 1 })
	if asked := c.asked.Load(); asked < 100 || c.failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", c.failed.Load(), asked)
	}
}

// A node that is not listed any more finishes what it has, and gets nothing new.
func TestUnlistedNodeFinishesItsWork(t *testing.T) {
	z := newZone(t)
	stays, goes := testnode.Start(t), testnode.Start(t)
	release := goes.Hang()
	defer release()
	z.list(goes)
	e := launch(t, fmt.Sprintf(z.pool("0s"), "")+anyRoute)
	e.awaitReady()
	got := make(chan int, 1)
	go func() {
		status, _ := e.ask()
		got <- status
	}()
	eventually(t, "a request under way", func() bool { return e.gateway.Status().Pools[0].Nodes[0].InFlight == 1 })
	z.list(stays)
	eventually(t, "the other node being up", func() bool {
		return e.node(stays).State == "up" && slices.Equal(e.members(), addresses(stays))
	})
	if st := e.node(goes); st.Draining != "left" || st.InFlight != 1 {
		t.Errorf("the node that left is shown as %+v", st)
	}
	for range 5 {
		if status, err := e.ask(); status != http.StatusOK {
			t.Errorf("got %d, %v", status, err)
		}
	}
	release()
	if status := <-got; status != http.StatusOK {
		t.Errorf("the request that was under way got %d", status)
	}
	eventually(t, "the node that left not being shown any more", func() bool { return e.node(goes).Address == "" })
	if n := goes.Requests(); n != 1 {
		t.Errorf("the node that left got %d requests, want 1", n)
	}
}

// A record that flaps costs no connections: the node lingers, and is the same one when it is listed again.
func TestFlappingRecordKeepsConnections(t *testing.T) {
	z := newZone(t)
	a, b := testnode.Start(t), testnode.Start(t)
	z.list(a, b)
	e := launch(t, fmt.Sprintf(z.pool("1h"), "")+anyRoute)
	e.awaitMembers(a, b)
	before := e.gateway.table.Load().pools[0].Members()
	for range 3 {
		z.list(a)
		e.awaitMembers(a)
		z.list(a, b)
		e.awaitMembers(a, b)
	}
	after := e.gateway.table.Load().pools[0].Members()
	if len(after) != 2 || !slices.Contains(before, after[0]) || !slices.Contains(before, after[1]) {
		t.Error("a node that was away for a moment is another one now")
	}
	// One that does not answer any more need not linger.
	z.list(a)
	e.awaitMembers(a)
	b.Stop()
	eventually(t, "the dead one gone", func() bool { return len(e.gateway.Status().Pools[0].Nodes) == 1 })
}

// A node that goes down has the sources looked at before their time.
func TestLostNodeHasItsSourceAsked(t *testing.T) {
	z := newZone(t)
	z.ttl = 3600
	z.Set("host.test.", 3600, "A 127.0.0.1")
	old, fresh := testnode.Start(t), testnode.Start(t)
	z.list(old)
	e := launch(t, fmt.Sprintf(z.pool("0s"), "")+anyRoute)
	e.awaitReady()
	asked := z.Asked()
	z.list(fresh)
	old.Stop()
	e.awaitMembers(fresh)
	e.awaitReady()
	if n := z.Asked() - asked; n > 10 {
		t.Errorf("the source was asked %d times", n)
	}
}

// Without a node at start the gateway runs, is not ready and says why; it is as soon as there is one.
func TestNameThatDoesNotExistAtStart(t *testing.T) {
	z := newZone(t)
	e := launch(t, fmt.Sprintf(z.pool("1s"), "")+anyRoute)
	eventually(t, "a failed look", func() bool { return e.gateway.Status().Pools[0].Discovery[0].Failures["not_found"] > 0 })
	want := `pool "main" has no node yet: srv _oip._tcp.nodes.test.: "_oip._tcp.nodes.test." does not exist (NXDOMAIN)`
	if err := e.gateway.Ready(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("ready: %v, want %q", err, want)
	}
	if status, err := e.ask(); status != http.StatusServiceUnavailable {
		t.Errorf("without a node: %d, %v, want 503", status, err)
	}
	n := testnode.Start(t)
	z.list(n)
	e.awaitReady()
	if status, err := e.ask(); status != http.StatusOK {
		t.Errorf("with a node: %d, %v, want 200", status, err)
	}
}

// Whatever happens to the source, the last list serves.
func TestLastListServes(t *testing.T) {
	z := newZone(t)
	n := testnode.Start(t)
	z.list(n)
	e := launch(t, fmt.Sprintf(z.pool("0s"), "")+anyRoute)
	e.awaitReady()
	for what, breaks := range map[string]func(){
		"not_found": func() { z.Remove(z.name) },
		"empty":     func() { z.list() },
	} {
		breaks()
		eventually(t, what, func() bool { return e.gateway.Status().Pools[0].Discovery[0].Failures[what] >= 2 })
		if status, err := e.ask(); status != http.StatusOK || e.gateway.Ready() != nil {
			t.Errorf("%s: %d, %v; ready: %v", what, status, err, e.gateway.Ready())
		}
		source := e.gateway.Status().Pools[0].Discovery[0]
		if source.Error == "" || source.Nodes != 1 || source.Age == nil {
			t.Errorf("%s: the status is %+v", what, source)
		}
	}
}

// The nodes of the file stay whatever is discovered, and their word counts.
func TestNodesOfTheFileComeFirst(t *testing.T) {
	z := newZone(t)
	fixed, found := testnode.Start(t), testnode.Start(t)
	z.list(fixed, found)
	e := launch(t, fmt.Sprintf(z.pool("0s"), `nodes = [{ address = "`+fixed.Address()+`", weight = 7 }]`)+anyRoute)
	e.awaitMembers(fixed, found)
	for _, n := range e.gateway.Status().Pools[0].Nodes {
		if want := map[string]int{fixed.Address(): 7, found.Address(): 1}[n.Address]; n.Weight != want {
			t.Errorf("%s has weight %d, want %d", n.Address, n.Weight, want)
		}
	}
	other := testnode.Start(t)
	z.list(other)
	e.awaitMembers(fixed, other)
}

// What a node has counted is not lost when others come and go.
func TestCountersSurviveOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.txt")
	list := func(nodes ...*testnode.Node) {
		t.Helper()
		if err := os.WriteFile(path, []byte("# nodes\n"+strings.Join(addresses(nodes...), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	list(a)
	e := launch(t, "[pools.main.discover]\nfile = \""+path+"\"\nmin_refresh = \"100ms\"\nlinger = \"0s\"\n"+fastHealth+anyRoute)
	e.awaitReady()
	for range 10 {
		e.infer().want(t, 200)
	}
	attempts := func() uint64 {
		for _, n := range e.gateway.Status().Pools[0].Nodes {
			if n.Address == a.Address() {
				return n.Attempts
			}
		}
		return 0
	}
	list(a, b)
	e.awaitMembers(a, b)
	list(a, c)
	e.awaitMembers(a, c)
	if got := attempts(); got < 10 {
		t.Errorf("%d attempts are counted, want at least 10", got)
	}
	// A file that makes no sense is told with its line, and changes nothing.
	if err := os.WriteFile(path, []byte(a.Address()+"\nb:http\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the problem shown", func() bool {
		return strings.Contains(e.gateway.Status().Pools[0].Discovery[0].Error, path+`:2: address "b:http" has port "http"`)
	})
	if got := e.members(); !slices.Equal(got, addresses(a, c)) {
		t.Errorf("the members are %q", got)
	}
}

// A gateway that its own record names would ask itself.
func TestGatewayIsNoNodeOfItsOwn(t *testing.T) {
	z := newZone(t)
	n := testnode.Start(t)
	z.Set(z.name, 0, "SRV 0 0 18080 host.test.", "SRV 0 0 "+n.Address()[len("127.0.0.1:"):]+" host.test.")
	e := launch(t, "[server]\nhttp = \":18080\"\ndrain_delay = \"0s\"\n"+fmt.Sprintf(z.pool("0s"), "")+anyRoute)
	e.awaitMembers(n)
}

// Two kinds of faults of a pool's table are found without asking anybody.
func TestDiscoverTablesAreChecked(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		_, warnings, err := ParseConfig("f", []byte(src+anyRoute))
		if err = errors.Join(err, warnings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q for\n%s", err, want, src)
		}
	}
	f("[pools.main.discover]\n", "f:1: pools.main.discover: names no source")
	f("[pools.main]\n", "pools.main.nodes: a pool needs at least one node")
	f("[pools.main.discover]\ndns = \"x.test:9000\"\n[pools.main.tls]\n", "their certificates have to name those")
}
