package hop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The model: every exchange ends exactly once, with the answer that belongs to its own request or with an error that tells the
// truth about whether the node has begun. Thousands of them run at once on few connections, of random size, some cancelled,
// some with deadlines, some streamed and read in part, some refused, some with a handler that panics.

// modelNode answers with sizes and delays that the request asks for, and remembers which requests it has begun.
type modelNode struct {
	begun  sync.Map // request id → *atomic.Int32
	answer []byte   // answers are pieces of it
}

func (m *modelNode) serve(ctx context.Context, req *Request, resp *Response) {
	times, _ := m.begun.LoadOrStore(string(req.RequestID), new(atomic.Int32))
	times.(*atomic.Int32).Add(1)
	size, _ := strconv.Atoi(string(req.Headers[0].Value))
	delay, _ := strconv.Atoi(string(req.Headers[1].Value))
	if delay > 0 {
		select {
		case <-time.After(time.Duration(delay) * time.Microsecond):
		case <-ctx.Done():
		}
	}
	if size < 0 {
		panic("the model asked for it")
	}
	sum := sha256.Sum256(req.Body)
	resp.Status = 200
	resp.Headers = append(resp.Headers, Header{[]byte("request-sum"), []byte(hexOf(sum))})
	resp.Node = Load{Known: true, InFlight: 1}
	if size%3 == 0 { // the handler's own memory, or the response's
		resp.Body = m.answer[size : 2*size]
	} else {
		resp.Body = append(resp.Body, m.answer[size:2*size]...)
	}
}

func hexOf(sum [32]byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 64)
	for _, c := range sum {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// modelSize favours the small and the edges.
func modelSize(r *rand.Rand) int {
	switch r.IntN(10) {
	case 0:
		return r.IntN(1 << 20)
	case 1:
		return []int{0, inlineBody, inlineBody + 1, chunkSize, chunkSize + 1, segmentSize, segmentSize + 1}[r.IntN(7)]
	case 2:
		return r.IntN(200_000)
	default:
		return r.IntN(2000)
	}
}

// modelCaller makes exchanges one after the other and checks each.
type modelCaller struct {
	t      *testing.T
	node   *modelNode
	r      *rand.Rand
	name   int
	source []byte // requests are pieces of it
	x      Exchange
	counts map[string]int
}

func (m *modelCaller) run(conns []*Conn, n int) {
	for i := range n {
		m.exchange(conns[m.r.IntN(len(conns))], strconv.Itoa(m.name)+"-"+strconv.Itoa(i))
	}
}

func (m *modelCaller) exchange(c *Conn, id string) {
	x, size, delay := &m.x, modelSize(m.r), 0
	if m.r.IntN(3) == 0 {
		delay = m.r.IntN(3000)
	}
	answer := modelSize(m.r)
	if m.r.IntN(50) == 0 {
		answer = -1
	}
	at := m.r.IntN(len(m.source) - size)
	post(x, m.source[at:at+size])
	x.Request.RequestID = []byte(id)
	x.Request.Headers = append(x.Request.Headers,
		Header{[]byte("answer"), []byte(strconv.Itoa(answer))}, Header{[]byte("delay"), []byte(strconv.Itoa(delay))})
	x.Streamed = m.r.IntN(4) == 0
	if m.r.IntN(4) == 0 {
		x.Request.Deadline = time.Now().Add(time.Duration(m.r.IntN(4000)) * time.Microsecond)
	}
	var canceled sync.WaitGroup
	if m.r.IntN(4) == 0 {
		wait := time.Duration(m.r.IntN(2000)) * time.Microsecond
		canceled.Go(func() {
			time.Sleep(wait)
			x.Cancel()
		})
	}
	err := c.Do(x)
	if err == nil {
		err = m.check(answer)
	}
	x.Close()
	canceled.Wait()
	m.judge(id, err)
}

// check compares an answer with what the node was asked for.
func (m *modelCaller) check(size int) error {
	x := &m.x
	body := x.Response.Body
	if x.Streamed {
		var err error
		if m.r.IntN(3) == 0 {
			body, err = io.ReadAll(io.LimitReader(x, int64(m.r.IntN(size+1)))) // and no further
			if !bytes.HasPrefix(m.node.answer[size:2*size], body) {
				m.t.Errorf("%s has other bytes than its answer", x.Request.RequestID)
			}
			return err
		}
		if body, err = io.ReadAll(x); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(x.Request.Body)
	if got := string(x.Response.Headers[0].Value); got != hexOf(sum) {
		m.t.Errorf("%s has the answer to a request with the sum %s, its own is %s", x.Request.RequestID, got, hexOf(sum))
	}
	if !bytes.Equal(body, m.node.answer[size:2*size]) {
		m.t.Errorf("%s has an answer of %d bytes, want %d; or they differ", x.Request.RequestID, len(body), size)
	}
	return nil
}

// judge checks that an error tells the truth.
func (m *modelCaller) judge(id string, err error) {
	if err == nil {
		m.counts["answered"]++
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		m.t.Errorf("%s: got an error of type %T: %v", id, err, err)
		return
	}
	m.counts[e.Code.String()]++
	if times, found := m.node.begun.Load(id); found && !e.Begun && times.(*atomic.Int32).Load() > 0 {
		m.t.Errorf("%s was begun, its error says it was not: %v", id, err)
	}
}

func TestModel(t *testing.T) {
	node := &modelNode{answer: noise(3, 2<<20+2)}
	clientCfg, serverCfg := DefaultConfig(), DefaultConfig()
	serverCfg.Budget = NewBudget(8 << 20) // some are refused
	clientCfg.Window = minWindow          // streamed answers need grants
	serverCfg.MaxStreams = 40
	var pairs []*pair
	var conns []*Conn
	for range 3 {
		client, server := connected(t)
		p := start(t, client, server, clientCfg, serverCfg, node.serve)
		pairs = append(pairs, p)
		conns = append(conns, p.conn)
	}
	source := noise(4, 2<<20)
	callers := make([]*modelCaller, 64)
	var wg sync.WaitGroup
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range callers {
		callers[i] = &modelCaller{
			t: t, node: node, r: rand.New(rand.NewPCG(seed, uint64(i))), name: i, source: source, counts: map[string]int{},
		}
		wg.Go(func() { callers[i].run(conns, 50) })
	}
	wg.Wait()
	total := map[string]int{}
	for _, c := range callers {
		for what, n := range c.counts {
			total[what] += n
		}
	}
	t.Log(total)
	node.begun.Range(func(id, times any) bool {
		if n := times.(*atomic.Int32).Load(); n != 1 {
			t.Errorf("%s was begun %d times", id, n)
		}
		return true
	})
	for i, p := range pairs {
		eventually(t, "all streams to be over", func() bool { return p.conn.Stats().Open == 0 })
		p.stopClient()
		if err := errors.Join(await(t, p.clientEnd), await(t, p.serverEnd)); err != nil {
			t.Errorf("connection %d ended with %v", i, err)
		}
	}
	if client, server := clientCfg.Budget.Left(), serverCfg.Budget.Left(); client != 256<<20 || server != 8<<20 {
		t.Errorf("budgets have %d and %d bytes left, want all of them", client, server)
	}
	for _, c := range callers {
		if c.counts["answered"] == 0 {
			t.Error("a caller was never answered")
		}
	}
}
