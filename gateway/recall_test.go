package gateway

import (
	"fmt"
	"strings"
	"testing"

	"ganglion/internal/testnode"
)

// A node that lives, and answers nothing for a model: what waits there is answered by others, and so is each request that finds out
// how it is. Nothing waits for the route's time.
func TestWhatWaitsForAStuckModelGoesElsewhere(t *testing.T) {
	plain := func(hop bool) func(t *testing.T) (pool string, hang func() (release func())) {
		return func(t *testing.T) (string, func() func()) {
			var list []string
			var nodes []*testnode.Node
			for range 3 {
				n := testnode.Start(t)
				n.SpeakHop(hop)
				nodes, list = append(nodes, n), append(list, fmt.Sprintf("{ address = %q }", n.Address()))
			}
			return "[pools.main]\nnodes = [" + strings.Join(list, ", ") + "]\n" + fastHealth, func() func() {
				release := nodes[0].Hang()
				return func() { release(); nodes[0].Heal() }
			}
		}
	}
	for name, begin := range map[string]func(t *testing.T) (string, func() func()){
		"hop": plain(true), "http/1.1": plain(false),
		"grpc": func(t *testing.T) (string, func() func()) {
			stuck := startRPCNode(t)
			pool := strings.Replace(rpcPool(stuck, startRPCNode(t), startRPCNode(t)), "round_robin", "least_load", 1)
			return pool, func() func() { stuck.hang.Store(true); return func() { stuck.hang.Store(false) } }
		},
	} {
		for _, retries := range []string{"", "retry = { attempts = 1 }\n"} {
			// One after the other: how long the good nodes take is what silence is held against, and six loads at once take long.
			t.Run(name+" "+retries, func(t *testing.T) {
				pool, hang := begin(t)
				e := start(t, strings.Replace(pool, "[pools.main]\n", "[pools.main]\n"+retries, 1)+"[routes.m]\npool = \"main\"\ntimeout = \"1h\"\n")
				if name != "grpc" {
					e.awaitHops(name, name, name)
				}
				stop := load(t, e, 8)
				eventually(t, "some traffic", func() bool { return e.metric("ganglion_attempts_total", "outcome", "success") > 300 })
				release := hang()
				eventually(t, "the model to be ejected", func() bool { return strings.HasPrefix(e.ejected(0, "m"), "silent ") })
				eventually(t, "recalls", func() bool { return e.metric("ganglion_upstream_recalls_total") > 0 })
				first := e.metric("ganglion_upstream_recalls_total")
				eventually(t, "the recall of one that finds out", func() bool {
					return e.metric("ganglion_upstream_recalls_total") > first && e.metric("ganglion_upstream_ejections_total") > 1
				})
				over := make(chan int64, 1)
				go func() { _, failed := stop(); over <- failed }()
				if failed := within(t, "the end of all requests", over); failed > 0 {
					t.Errorf("%d requests failed", failed)
				}
				if n := e.metric("ganglion_attempts_total", "outcome", "failure") + e.metric("ganglion_attempts_total", "outcome", "fault"); n > 0 {
					t.Errorf("%v attempts were held against the node", n)
				}
				if got := e.ejected(0, "m"); !strings.HasPrefix(got, "silent ") {
					t.Errorf("the model is ejected as %q: nothing has answered", got)
				}
				release()
			})
		}
	}
}

// What came before in a sequence is on the node where it is stuck: there it waits.
func TestASequenceStaysWhereItIsStuck(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t)}
	e := start(t, "[pools.main]\nnodes = [{ address = \"%s\" }, { address = \"%s\" }, { address = \"%s\" }]\n"+
		fastHealth+"[routes.m]\npool = \"main\"\ntimeout = \"1h\"\n", nodes...)
	header := ""
	for i := range 100 {
		header = fmt.Sprintf("X-Sequence-Id: %d", i)
		if e.infer(header).want(t, 200).node() == nodes[0].Name() {
			break
		}
	}
	stop := load(t, e, 16)
	eventually(t, "some traffic", func() bool { return nodes[0].Requests() > 100 })
	release := nodes[0].Hang()
	answers := make(chan answer, 1)
	go func() { answers <- e.infer(header) }()
	eventually(t, "recalls", func() bool { return e.metric("ganglion_upstream_recalls_total") > 0 })
	select {
	case a := <-answers:
		t.Errorf("answered %d by %s", a.status, a.node())
	default:
	}
	release()
	nodes[0].Heal()
	if a := within(t, "the answer", answers); a.status != 200 || a.node() != nodes[0].Name() {
		t.Errorf("answered %d by %s", a.status, a.node())
	}
	stop()
}
