package backend_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"ganglion/internal/hop"
)

const (
	irisInfer = "/v2/models/iris/infer"
	pending   = `nv_inference_pending_request_count{model="iris",version="1"}`
	declined  = "ganglion_node_hop_requests_declined_total"
)

// conditional is an inference that the node is to take only as one of so many.
func conditional(most uint8) *hop.Exchange {
	x := hopRequest(hop.MethodPost, irisInfer, fakeRequestOf("7"))
	x.Request.Most = most
	return x
}

// send makes an exchange, whose end is to be awaited with answered.
func send(conn *hop.Conn, x *hop.Exchange) chan error {
	done := make(chan error, 1)
	go func() { done <- conn.Do(x) }()
	return done
}

func answered(t *testing.T, done chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no answer")
	}
}

// declinedBy is the decline that err is, or nil.
func declinedBy(err error) *hop.Error {
	if e, ok := errors.AsType[*hop.Error](err); ok && e.Code == hop.CodeDeclined {
		return e
	}
	return nil
}

// waitQueued waits until so many requests wait for an instance.
func (b *blockingNode) waitQueued(n float64) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); b.metric(pending) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%v requests wait, want %v", b.metric(pending), n)
		}
	}
}

// A request that would have to wait behind more than its gateway believes is declined, with what the node holds, and never
// reaches the model. All others are taken.
func TestDeclinesWhatWouldWaitBehindMoreThanExpected(t *testing.T) {
	b := newBlockingNode(t, 1)
	ours, others := b.dialHop(), b.dialHop()
	first := send(others, conditional(1)) // the node is idle
	<-b.running
	e := declinedBy(ours.Do(conditional(1)))
	if e == nil {
		t.Fatal("a node that holds one took another that was to be its first")
	}
	if l := e.Load; e.Begun || e.Own != 0 || l.Queued != 0 || l.InFlight != 1 || l.Worked <= 0 || l.Worked > time.Minute {
		t.Errorf("declined with %+v, begun: %v, own: %d", e.Load, e.Begun, e.Own)
	}
	second := send(ours, conditional(2)) // as expected
	b.waitQueued(1)
	e = declinedBy(ours.Do(conditional(2)))
	if e == nil || e.Load.Queued != 1 || e.Load.InFlight != 1 || e.Own != 1 {
		t.Errorf("declined with %+v, want one queued and one in flight, of which one is ours", e)
	}
	third := send(ours, conditional(0)) // whatever it holds
	b.waitQueued(2)
	for range 3 {
		b.goOn <- struct{}{}
	}
	for _, done := range []chan error{first, second, third} {
		answered(t, done)
	}
	if got := b.metric(declined); got != 2 {
		t.Errorf("%v declined requests are counted, want 2", got)
	}
	if got := b.metric(`nv_inference_request_success{model="iris",version="1"}`); got != 3 {
		t.Errorf("%v requests succeeded, want 3: those that were declined are none", got)
	}
	if len(b.running) != 2 {
		t.Errorf("%d more runs have begun than the first, want 2", len(b.running))
	}
}

// A node that could begin a request at once takes it, whatever its gateway expected.
func TestTakesWhatItCanBegin(t *testing.T) {
	b := newBlockingNode(t, 2)
	ours, others := b.dialHop(), b.dialHop()
	first := send(others, conditional(0))
	<-b.running
	second := send(ours, conditional(1)) // it holds one, and has an instance to spare
	<-b.running
	if declinedBy(ours.Do(conditional(1))) == nil {
		t.Error("a node without an idle instance took a request that was to be its first")
	}
	b.goOn <- struct{}{}
	b.goOn <- struct{}{}
	answered(t, first)
	answered(t, second)
}

// Who is alone is never declined: all that there is has been sent by it.
func TestTakesEverythingOfOneGateway(t *testing.T) {
	b := newBlockingNode(t, 1)
	b.occupy() // by HTTP, which makes it no gateway
	ours := b.dialHop()
	done := send(ours, conditional(1))
	b.waitQueued(1)
	b.free()
	b.goOn <- struct{}{}
	answered(t, done)
}

// Where runs are shared nothing is declined.
func TestTakesEverythingWhereItBatches(t *testing.T) {
	b := newBlockingBatches(t, 1, 64)
	ours, others := b.dialHop(), b.dialHop()
	const crowd = 16
	first := send(others, conditional(0))
	<-b.running
	var done [crowd]chan error
	for i := range done {
		done[i] = send(others, conditional(0))
	}
	b.waitQueued(crowd)
	b.goOn <- struct{}{} // and a run of all that wait
	answered(t, first)
	<-b.running
	b.goOn <- struct{}{}
	for i := range done {
		answered(t, done[i])
	}
	b.drainRunning()
	first = send(others, conditional(0))
	<-b.running
	second := send(ours, conditional(1))
	b.waitQueued(1)
	b.goOn <- struct{}{}
	b.goOn <- struct{}{}
	answered(t, first)
	answered(t, second)
	if got := b.metric(declined); got != 0 {
		t.Errorf("%v were declined", got)
	}
}

// Of those that come at the same moment to an idle node, which all of them expect to be idle, one is taken, and only one.
func TestOneOfManyIsTaken(t *testing.T) {
	b := newBlockingNode(t, 1)
	const gateways, rounds = 4, 100
	var conns [gateways]*hop.Conn
	for i := range conns {
		conns[i] = b.dialHop()
	}
	waitFor := func(what string, is func() bool) {
		for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	for range rounds {
		var begin, ended sync.WaitGroup
		begin.Add(1)
		errs := make(chan error, gateways)
		for _, conn := range conns {
			ended.Go(func() {
				x := conditional(1)
				begin.Wait()
				errs <- conn.Do(x)
			})
		}
		begin.Done()
		waitFor("not all but one were declined", func() bool { return len(errs) == gateways-1 })
		<-b.running
		b.goOn <- struct{}{}
		ended.Wait()
		for range gateways {
			if err := <-errs; err != nil && declinedBy(err) == nil {
				t.Fatal(err)
			}
		}
	}
	if got := b.metric(declined); got != rounds*(gateways-1) {
		t.Errorf("%v were declined, want %d of %d", got, rounds*(gateways-1), rounds*gateways)
	}
}

// A request that comes when a run has just begun, and may not wait for its end, is declined, even if nobody else is there; the wait that
// goes back is that of the run. One that may wait is taken.
func TestDeclinesWhatWouldWaitTooLong(t *testing.T) {
	b := newBlockingBatches(t, 1, 64)
	ours := b.dialHop()
	patient := func(within time.Duration) *hop.Exchange {
		x := conditional(0)
		x.Request.Within = within
		return x
	}
	const run = 2 * time.Second                    // as long as a machine may stall before the next request is sent
	first := send(ours, patient(time.Millisecond)) // runs at once
	<-b.running
	time.Sleep(run) // which the node takes its runs to last from here on
	b.goOn <- struct{}{}
	answered(t, first)
	second := send(ours, conditional(0))
	<-b.running
	e := declinedBy(ours.Do(patient(20 * time.Millisecond)))
	if e == nil {
		t.Fatal("a request that may wait 20 ms was taken by a node whose run ends in seconds")
	}
	if e.Load.Wait < 20*time.Millisecond || e.Load.Queued != 0 || e.Load.InFlight != 1 {
		t.Errorf("declined with %+v, want one in flight and more to wait than 20 ms", e.Load)
	}
	third := send(ours, patient(time.Hour))
	b.waitQueued(1)
	b.goOn <- struct{}{}
	b.goOn <- struct{}{}
	answered(t, second)
	answered(t, third)
}
