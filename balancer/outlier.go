package balancer

import (
	"cmp"
	"slices"
	"time"
)

// outliers finds the placements of a model whose node is slower than the others, fails more or has stopped to answer, and
// ejects them. Judgements are made by pickers, ten times a second: where nobody picks, nothing needs to be found out, and it
// all goes by the pool's clock. Guarded by Pool.control.
type outliers struct {
	cfg   OutlierConfig
	last  time.Duration // judgement
	pause time.Duration // until the next

	// Memory of one judgement, for the next.
	field           []*placement
	down            int // nodes
	own             []timing
	sent            []sending
	latencies, gaps []logTime
	others          []timing
	refs            []reference
	rates           []rate
	sums            [timingsKept + 1]float64
	census          *census // of all placements
	self            *census // of one
	met             bool    // this judgement has filled the census
	guilty          []charge

	usual timing    // on the nodes
	least allowance // that any node has
	turn  int       // whose it is to be compared first, if all cannot be
	left  int       // how many may still be compared this time
}

const (
	// judgeEvery is the time between two judgements. One takes some microseconds for sixteen nodes.
	judgeEvery = 100 * time.Millisecond
	// judgeEach is the least time for each node that is judged: one takes up to a microsecond when there are thousands, since all that is
	// known of it comes from memory. So judging takes a hundredth of a core at most, however many nodes there are.
	judgeEach = 100 * time.Microsecond
	// comparedMost is how many other nodes one is compared with at most; of more, some at random. They have a thousand
	// requests, with which chance can be told from certainty; a judgement of a thousand nodes stays quick.
	comparedMost = 16
	// beyondLeast of the newestFew latest requests must have been slow for anybody to look closer: where times vary by an order of
	// magnitude, every tenth node has two such at any time, and every third has one.
	beyondLeast = 2
	// closerMost is how many nodes are compared closely in judgeEvery, at some 10 µs each: a client waits for it. The others have
	// their turn next time.
	closerMost = 4
)

// charge is what speaks against a placement.
type charge struct {
	place    *placement
	surprise float64
	why      Ejection
}

// judge judges the placements, if nobody else is doing it.
func (m *Model) judge(now time.Duration) {
	if !m.pool.control.TryLock() {
		return
	}
	defer m.pool.control.Unlock()
	m.hearAll(now)
}

// hearAll is judge for who holds Pool.control.
func (m *Model) hearAll(now time.Duration) {
	if int64(now) < m.judgeAt.Load() {
		return
	}
	o := &m.outliers
	o.gather(m.current.Load(), m.pool.members.Load().nodes)
	o.pause = max(judgeEvery, judgeEach*time.Duration(len(o.field)))
	m.judgeAt.Store(int64(now + o.pause))
	changed := false
	for _, pl := range o.field {
		changed = o.observe(pl, now) || changed
	}
	o.last = now
	o.guilty, o.met = o.guilty[:0], false
	o.usual, o.least, o.left = o.usually(now), allow(o.cfg.LatencyFactor), closerMost*int(o.pause/judgeEvery)
	for i := range o.field {
		at := (o.turn + i) % len(o.field)
		pl := o.field[at]
		if c := pl.conduct.Load(); c != nil && !pl.ejected.Load() && pl.circuit() == Closed {
			changed = o.examine(pl, c, now) || changed
		}
		if o.left == 0 {
			o.turn, o.left = at+1, -1 // the others next time
		}
	}
	if o.sentence(now) || changed {
		m.changed()
	}
}

// gather takes the placements that can be compared: the model is there, and the node neither drains nor is down. It counts the nodes
// that are down: the others have what those had.
func (o *outliers) gather(s *snapshot, members []*Node) {
	o.field, o.down = o.field[:0], 0
	for _, n := range members {
		o.down += oneIf(n.State() == Down && !n.drains())
	}
	for i := range s.groups {
		for _, c := range s.groups[i].nodes {
			if pl := c.place; !pl.node.drains() && pl.missing.Load() == 0 {
				o.field = append(o.field, pl)
			}
		}
	}
}

// observe takes down what the placement has done since the last judgement, and reports whether that ends an ejection.
func (o *outliers) observe(pl *placement, now time.Duration) (returned bool) {
	count := pl.counters(now)
	c := pl.conduct.Load()
	if c == nil {
		if count.good+count.failed == 0 && pl.inflight.Load() == 0 {
			return false
		}
		c = &conduct{setback: o.cfg.setback()}
		c.tally.restart(mark{at: now})
		pl.conduct.Store(c)
	}
	c.tally.note(count, o.cfg.Window)
	return o.listen(pl, c, count.good+pl.faults.Load(), now)
}

// examine looks for what speaks against a placement, and reports whether how closely to look has changed.
func (o *outliers) examine(pl *placement, c *conduct, now time.Duration) (changed bool) {
	look := false
	if failing, found := o.failing(pl, c, now); found {
		o.guilty = append(o.guilty, failing)
	} else if silent, found := o.silence(pl, c, now); found {
		o.guilty = append(o.guilty, silent)
	} else if o.cfg.LatencyFactor > 0 && o.standsOut(c, now) {
		if o.left <= 0 {
			return false
		}
		o.left--
		slow, surprise := o.slow(pl, c, now)
		if surprise >= certain {
			o.guilty = append(o.guilty, slow)
		}
		look = surprise >= suspicious
	}
	if look == (c.lookAt.Load() != 0) {
		return false
	}
	c.lookAt.Store(0)
	if look {
		c.lookAt.Store(int64(now))
	}
	return true
}

// standsOut is a first look, which costs little: whether several of the placement's latest requests took longer than is allowed for
// what is usual. If not, it need not be compared.
func (o *outliers) standsOut(c *conduct, now time.Duration) bool {
	beyond := 0
	o.own = c.stopwatch.newest(o.own[:0], now)
	for _, t := range o.own {
		beyond += oneIf(t.beyond(o.usual, o.least))
	}
	return beyond >= beyondLeast
}

// usually is what the nodes take, by the one in the middle of them.
func (o *outliers) usually(now time.Duration) timing {
	since := tickOf(now - o.cfg.Window)
	o.latencies, o.gaps = o.latencies[:0], o.gaps[:0]
	for pl := range o.some {
		if c := pl.conduct.Load(); c != nil && !pl.ejected.Load() {
			if usual, ok := c.stopwatch.typical(since); ok {
				o.latencies, o.gaps = append(o.latencies, usual.latency), append(o.gaps, usual.gap)
			}
		}
	}
	return timing{latency: lowerMedian(o.latencies), gap: lowerMedian(o.gaps)}
}

// allowance is how many times as long as on the other node a request may take. Who gives a node a smaller weight
// says that it is slower; who gives it a larger one may have other reasons.
func (o *outliers) allowance(pl, other *placement) allowance {
	weight, others := max(1, pl.node.weight.Load()), max(1, other.node.weight.Load())
	if weight >= others {
		return o.least
	}
	return allow(o.cfg.LatencyFactor * float64(others) / float64(weight))
}

// slow compares the times of the placement's answers with those of the others.
func (o *outliers) slow(pl *placement, c *conduct, now time.Duration) (charge, float64) {
	since := tickOf(now - o.cfg.Window)
	o.own = c.stopwatch.appendSince(o.own[:0], since)
	if t, ok := c.stopwatch.open(now); ok {
		o.own = append(o.own, t)
		copy(o.own[1:], o.own)
		o.own[0] = t // the newest
	}
	o.bySending()
	o.meet(since)
	o.self.fill(o.own)
	o.census.surprises(o.self, o.own, allow(o.cfg.LatencyFactor), o.sums[:])
	promising := func(n int) bool { return surpriseOfSum(n, o.sums[n-1]) >= suspicious/2 }
	if !slices.ContainsFunc(stretches[:], func(n int) bool { return n <= len(o.own) && promising(n) }) {
		return charge{}, 0
	}
	o.refer(pl, since)
	found := compare(o.own, o.refs, promising, 1)
	surprise := found.surprise
	if surprise >= certain && found.requests < o.cfg.MinRequests {
		found = compare(o.own, o.refs, promising, o.cfg.MinRequests)
	}
	if found.surprise < certain {
		return charge{}, min(surprise, suspicious)
	}
	found.medians(o.own, o.refs)
	return charge{place: pl, surprise: found.surprise, why: Ejection{
		Reason: Slow, Requests: found.requests, Latency: found.latency.duration(), Others: found.othersLatency.duration(),
	}}, found.surprise
}

// bySending puts the placement's own answers into the order in which their requests were sent, the latest first. What comes back one
// after the other is no fair sample: a node that gets nothing new for a while, because it has more to do than others, goes on answering
// what takes long. Most nodes answer in that order anyway.
func (o *outliers) bySending() {
	o.sent = o.sent[:0]
	for _, t := range o.own {
		o.sent = append(o.sent, sending{t, t.at - tickOf(t.latency.duration())})
	}
	slices.SortStableFunc(o.sent, func(a, b sending) int { return int(int32(b.began - a.began)) })
	for i := range o.sent {
		o.own[i] = o.sent[i].timing
	}
}

// sending is a timing and when its request was sent.
type sending struct {
	timing
	began uint32 // tick
}

// meet counts the answers of all placements, once a judgement.
func (o *outliers) meet(since uint32) {
	if o.met {
		return
	}
	if o.met = true; o.census == nil {
		o.census, o.self = new(census), new(census)
	}
	o.census.fill(nil)
	for pl := range o.some {
		if c := pl.conduct.Load(); c != nil && !pl.ejected.Load() {
			o.others = c.stopwatch.appendSince(o.others[:0], since)
			for _, t := range o.others {
				o.census.add(t)
			}
		}
	}
	o.census.settle()
}

// some yields the placements, or some of them if there are many: others from judgement to judgement.
func (o *outliers) some(yield func(*placement) bool) {
	n := len(o.field)
	from, step := 0, 1
	if n > comparedMost+1 {
		from, step = int(mix(uint64(o.last))%uint64(n)), n/comparedMost
	}
	for i := 0; i < n; i += step {
		if !yield(o.field[(from+i)%n]) {
			return
		}
	}
}

// refer gathers the answers of other nodes since then.
func (o *outliers) refer(pl *placement, since uint32) {
	o.refs = o.refs[:0]
	for other := range o.some {
		c := other.conduct.Load()
		if other == pl || c == nil || other.ejected.Load() {
			continue
		}
		o.others = c.stopwatch.appendSince(o.others[:0], since)
		allow := o.allowance(pl, other)
		for _, t := range o.others {
			o.refs = append(o.refs, reference{t, allow})
		}
	}
}

// rate is the part of a placement's attempts that failed.
type rate struct{ share, attempts float64 }

// failing compares how often attempts fail. The others stand for what is usual with the one in their middle: those below the
// median are as good as those above are bad.
func (o *outliers) failing(pl *placement, c *conduct, now time.Duration) (charge, bool) {
	good, failed := c.tally.within(pl.counters(now), o.cfg.Window)
	decided := good + failed
	if o.cfg.FailurePercent == 0 || failed == 0 || decided < float64(o.cfg.MinRequests) {
		return charge{}, false
	}
	o.rates = o.rates[:0]
	for _, other := range o.field {
		oc := other.conduct.Load()
		if other == pl || oc == nil || other.ejected.Load() {
			continue
		}
		if g, f := oc.tally.within(other.counters(now), o.cfg.Window); g+f >= referencesLeast {
			// As if one more had failed and one more had not: none of ten does not mean none of a million.
			o.rates = append(o.rates, rate{(f + 1) / (g + f + 2), g + f})
		}
	}
	if len(o.rates) == 0 {
		return charge{}, false
	}
	slices.SortFunc(o.rates, func(a, b rate) int { return cmp.Compare(a.share, b.share) })
	usual := max(o.rates[(len(o.rates)-1)/2].share, usualFailures)
	surprise := surpriseOfFailures(failed, decided, usual)
	if surprise < certain || 100*(failed/decided-usual) < o.cfg.FailurePercent {
		return charge{}, false
	}
	return charge{place: pl, surprise: surprise, why: Ejection{
		Reason: Failing, Requests: int(decided), Share: failed / decided, OthersShare: usual,
	}}, true
}

// usualFailures is what may fail on any node without anybody wondering.
const usualFailures = 0.01

// sentence ejects those who are guilty, the surest first, as long as there are nodes enough, and reports whether it did.
func (o *outliers) sentence(now time.Duration) (ejected bool) {
	if len(o.guilty) == 0 {
		return false
	}
	all, out := len(o.field)+o.down, o.down
	for _, pl := range o.field {
		out += oneIf(pl.ejected.Load() || pl.circuit() != Closed || pl.node.suspect.Load())
	}
	slices.SortFunc(o.guilty, func(a, b charge) int { return cmp.Compare(b.surprise, a.surprise) })
	for _, g := range o.guilty {
		most := o.cfg.mayEject(all)
		if g.why.Reason == Silent {
			most = all - 1 // nobody has to take over what it did: it answers nothing
		}
		if out >= most {
			continue
		}
		g.place.eject(g.why, now)
		out++
		ejected = true
	}
	return ejected
}
