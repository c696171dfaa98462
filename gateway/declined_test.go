package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/balancer"
	"ganglion/internal/hop"
	"ganglion/internal/testnode"
)

// crowded are nodes that a gateway shares with others. The last one always has so much from elsewhere that nobody goes there.
const crowded = "[pools.main]\nnodes = [{ address = \"%s\" }, { address = \"%s\" }, { address = \"%s\" }]\n" + fastHealth

// startCrowded runs a gateway in front of two nodes that work, and one by which it knows that it is not alone.
func startCrowded(t *testing.T, config string) (e *edge, nodes []*testnode.Node) {
	t.Helper()
	nodes = ownNodes(t, 3)
	for _, n := range nodes {
		n.Handle(works)
	}
	keepBusy(t, nodes[2])
	return startCompany(t, config, nodes), nodes
}

// works answers as a model that takes so long that it is worth being sent to the right node.
func works(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(workTime)
	w.Write([]byte(plainAnswer))
}

const workTime = 5 * time.Millisecond

// startCompany runs one gateway in front of them, and waits until it knows that there are others.
func startCompany(t *testing.T, config string, nodes []*testnode.Node) *edge {
	t.Helper()
	e := start(t, crowded+config+anyRoute, nodes...)
	e.awaitHops("hop", "hop", "hop")
	busy := nodes[2].Address()
	eventually(t, "word of others", func() bool {
		for _, n := range e.gateway.Status().Pools[0].Nodes {
			if n.Address == busy {
				return n.Load != nil && n.Load.Queued >= 50
			}
		}
		return false
	})
	for range 8 { // what it is like is known by then
		e.infer().want(t, 200)
	}
	return e
}

// keepBusy has a node tell, until the test ends, that others have sent it a lot.
func keepBusy(t *testing.T, n *testnode.Node) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for queued := uint32(50); ; queued = 150 - queued { // so that each time it is news
			n.Tell(hop.Load{Known: true, Queued: queued})
			select {
			case <-over:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() { close(over); <-ended })
}

// declinesAll is a node that never believes that a request is welcome.
func declinesAll(asked *atomic.Int64, held uint32) func(*hop.Request) (hop.Load, bool) {
	return func(*hop.Request) (hop.Load, bool) {
		asked.Add(1)
		return hop.Load{Known: true, Queued: held}, true
	}
}

// An attempt that is declined goes elsewhere, and is neither a failure nor a retry nor an attempt.
func TestDeclinedAttemptsGoElsewhere(t *testing.T) {
	e, nodes := startCrowded(t, "")
	var asked atomic.Int64
	nodes[0].Decline(declinesAll(&asked, 5))
	before := nodes[0].Requests()
	eventually(t, "an attempt explained as one that goes to an idle node", func() bool { // which is believed for as long as others are heard of
		why, err := e.gateway.Explain(Question{Model: "m"})
		return err == nil && why.Pool.Most == 1 && strings.Contains(why.Outcome, "no more than 1 with this one")
	})
	sent, id := 0, ""
	eventually(t, "a decline", func() bool {
		sent++
		id = "r" + strconv.Itoa(sent)
		e.infer("X-Request-Id: "+id).want(t, 200)
		return asked.Load() > 0
	})
	line := e.line(id)
	if line["declined"] != 1.0 || line["attempts"] != 1.0 || line["error"] != nil || len(line["nodes"].([]any)) != 1 {
		t.Errorf("the access log says %v", line)
	}
	if got := nodes[0].Requests(); got != before {
		t.Errorf("%d requests reached a node that declines", got-before)
	}
	n := e.gateway.Status().Pools[0].Nodes[0]
	if n.Declined != uint64(asked.Load()) || n.Failures+n.Faults != 0 || n.Circuit != "closed" {
		t.Errorf("the node's status is %+v, want %d declined and no failures", n, asked.Load())
	}
	if got := e.metric("ganglion_declined_attempts_total", "node", nodes[0].Address()); got != float64(asked.Load()) {
		t.Errorf("%v declined attempts are counted, want %d", got, asked.Load())
	}
	if got := e.metric("ganglion_retries_total"); got != 0 {
		t.Errorf("%v retries are counted", got)
	}
	eventually(t, "nothing in flight", func() bool { return e.metric("ganglion_upstream_attempts_in_flight") == 0 })
}

// Nodes that decline whatever they may, truthfully or not, get what nobody else takes without a condition, and no client notices.
func TestNodesThatDeclineEverything(t *testing.T) {
	for name, held := range map[string]uint32{"as if they were busy": 100, "without a reason": 0} {
		t.Run(name, func(t *testing.T) {
			e, nodes := startCrowded(t, "")
			var asked atomic.Int64
			for _, n := range nodes {
				n.Decline(declinesAll(&asked, held))
			}
			const requests = 60
			for range requests {
				e.infer().want(t, 200)
			}
			if n := asked.Load(); n == 0 || n > requests*balancer.DeclinesMost {
				t.Errorf("%d attempts were declined of %d requests, want some, and %d of each at most", n, requests, balancer.DeclinesMost)
			}
		})
	}
}

// The time of an exchange goes on while nodes decline it.
func TestDeclinesTakeTime(t *testing.T) {
	e, nodes := startCrowded(t, "")
	for _, n := range nodes {
		n.Decline(func(*hop.Request) (hop.Load, bool) {
			time.Sleep(40 * time.Millisecond)
			return hop.Load{Known: true, Queued: 100}, true
		})
	}
	began := time.Now()
	got := e.infer("X-Request-Id: r", "X-Request-Timeout-Ms: 60")
	if got.status != http.StatusGatewayTimeout {
		t.Errorf("answered %d %s after %v, want that its time was up", got.status, got.body, time.Since(began))
	}
	if line := e.line("r"); line["reason"] != reasonDeadline.String() {
		t.Errorf("the access log says %v", line)
	}
}

// Only what costs little to send twice is sent with a condition, and what has to go to one node is not.
func TestWhatIsNeverDeclined(t *testing.T) {
	e, nodes := startCrowded(t, "")
	var asked atomic.Int64
	for _, n := range nodes {
		n.Decline(declinesAll(&asked, 100))
	}
	e.do("POST", inferPath, strings.Repeat(" ", conditionalMost+1-len(inferBody))+inferBody).want(t, 200)
	e.infer("X-Sequence-Id: 7").want(t, 200)
	if n := asked.Load(); n != 0 {
		t.Errorf("%d attempts had a condition", n)
	}
}

// A hedge that is made while the first attempt is about to be declined answers, and all is given back.
func TestADeclineThatComesLate(t *testing.T) {
	e, nodes := startCrowded(t, hedging)
	e.warmUp()
	decided := make(chan struct{})
	var asked atomic.Int64
	for _, n := range nodes {
		n.Decline(func(*hop.Request) (hop.Load, bool) {
			if asked.Add(1) > 1 {
				return hop.Load{}, false
			}
			<-decided
			return hop.Load{Known: true, Queued: 9}, true
		})
	}
	answers := make(chan answer, 1)
	go func() {
		a, _ := e.try("POST", inferPath, inferBody, "X-Request-Id: r")
		answers <- a
	}()
	eventually(t, "a hedge", func() bool { return e.metric("ganglion_hedges_total") > 0 })
	close(decided)
	within(t, "the answer", answers).want(t, 200)
	eventually(t, "nothing in flight", func() bool { return e.metric("ganglion_upstream_attempts_in_flight") == 0 })
	if got := e.metric("ganglion_panics_total"); got != 0 {
		t.Errorf("%v panics are counted", got)
	}
}

// lone is a node that runs one request at a time and declines what would wait behind more than it may.
type lone struct {
	*testnode.Node
	held atomic.Int32
	goOn chan struct{} // ends what the first gateway has sent
}

func (l *lone) decide(req *hop.Request) (hop.Load, bool) {
	held := l.held.Load()
	return hop.Load{Known: true, Queued: uint32(max(held-1, 0)), InFlight: uint32(min(held, 1))}, held > 0 && held >= int32(req.Most)
}

func (l *lone) serve(w http.ResponseWriter, r *http.Request) {
	l.held.Add(1)
	defer l.held.Add(-1)
	if r.Header.Get("X-Blocks") != "" {
		<-l.goOn
	} else if l.held.Load() > 1 {
		<-r.Context().Done() // it waits behind the other
	}
	works(w, r)
}

// Two gateways, of which neither knows what the other has just sent, do not wait for each other while a node is idle.
func TestCollisionsAreRepaired(t *testing.T) {
	nodes := ownNodes(t, 3)
	workers := make([]*lone, 2)
	for i := range workers {
		workers[i] = &lone{Node: nodes[i], goOn: make(chan struct{})}
		nodes[i].Handle(workers[i].serve)
		nodes[i].Decline(workers[i].decide)
	}
	keepBusy(t, nodes[2])
	first, second := startCompany(t, "", nodes), startCompany(t, "", nodes)
	var declined float64
	for round := 0; declined < 2; round++ {
		eventually(t, "word that both are idle", func() bool {
			for _, w := range workers {
				w.Tell(hop.Load{Known: true})
			}
			return second.believesIdle(t, workers[0].Address()) && second.believesIdle(t, workers[1].Address())
		})
		var blocked sync.WaitGroup
		blocked.Go(func() { first.infer("X-Blocks: yes").want(t, 200) })
		eventually(t, "the first gateway's request", func() bool { return workers[0].held.Load()+workers[1].held.Load() == 1 })
		got, err := second.try("POST", inferPath, inferBody, "X-Request-Timeout-Ms: 10000")
		if err != nil || got.status != 200 {
			t.Errorf("round %d: a request that came while a node was idle got %d %s, %v", round, got.status, got.body, err)
			declined = 2
		}
		for _, w := range workers {
			if w.held.Load() > 0 {
				w.goOn <- struct{}{}
			}
		}
		blocked.Wait()
		if round > 200 {
			t.Fatal("no attempt of the second gateway is ever declined, although it cannot know where the first one has been")
		}
		declined = max(declined, second.metric("ganglion_declined_attempts_total"))
	}
}

// believesIdle reports whether the gateway takes a node for one that has nothing from elsewhere.
func (e *edge) believesIdle(t *testing.T, address string) bool {
	t.Helper()
	why, err := e.gateway.Explain(Question{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range why.Pool.Candidates {
		if n.Address == address {
			return !strings.Contains(strings.Join(n.Parts, ", "), "elsewhere")
		}
	}
	return false
}
