package scheduler

import "time"

// queue holds what waits: lanes of requests of one signature, ordered by their first requests. All of it is guarded by
// Scheduler.mu, and nothing is allocated once it has been as long as it gets.
type queue struct {
	same   func(a, b *Request) bool
	levels int

	order   heap[*lane]
	buckets [laneBuckets]*lane // by hash
	spare   *lane              // linked by next

	requests int
	weight   int // rows of all of them
	bytes    int64
}

// laneBuckets is how many chains lanes are found in. There is one lane for each signature that waits at a time, mostly one,
// rarely dozens.
const laneBuckets = 64

// lane is the queue of one signature.
type lane struct {
	hash   uint64
	levels []fifo // by priority
	weight int    // rows of all of them
	key    time.Duration
	place  int // in queue.order
	next   *lane
}

// fifo is a linked list of requests.
type fifo struct {
	first, last *Request
}

func (l *lane) before(other *lane) bool { return l.key < other.key }
func (l *lane) index() *int             { return &l.place }

// first is the request to be served next, nil when the lane is empty.
func (l *lane) first() (first *Request) {
	for i := range l.levels {
		if r := l.levels[i].first; r != nil && (first == nil || r.key < first.key) {
			first = r
		}
	}
	return first
}

// oldest is when the request arrived that has waited longest.
func (l *lane) oldest() (arrived time.Duration) {
	arrived = never
	for i := range l.levels {
		if r := l.levels[i].first; r != nil {
			arrived = min(arrived, r.arrived)
		}
	}
	return arrived
}

// push adds r at the end of its lane.
func (q *queue) push(r *Request) {
	l := q.enter(r)
	f := &l.levels[r.level]
	r.prev, r.next = f.last, nil
	if f.last != nil {
		f.last.next = r
	} else {
		f.first = r
	}
	f.last = r
	q.settle(l)
}

// pushFront adds r, which has been taken out before, before all of its lane and level.
func (q *queue) pushFront(r *Request) {
	l := q.enter(r)
	f := &l.levels[r.level]
	r.prev, r.next = nil, f.first
	if f.first != nil {
		f.first.prev = r
	} else {
		f.last = r
	}
	f.first = r
	q.settle(l)
}

// enter finds or makes the lane of r and counts it in.
func (q *queue) enter(r *Request) *lane {
	l := q.find(r)
	if l == nil {
		l = q.open(r.hash)
	}
	r.lane, r.state = l, waiting
	l.weight += r.weight
	q.weight += r.weight
	q.requests++
	q.bytes += r.bytes
	return l
}

// remove takes r out.
func (q *queue) remove(r *Request) {
	l := r.lane
	f := &l.levels[r.level]
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		f.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		f.last = r.prev
	}
	r.prev, r.next, r.lane = nil, nil, nil
	l.weight -= r.weight
	q.weight -= r.weight
	q.requests--
	q.bytes -= r.bytes
	q.settle(l)
}

// settle puts a changed lane where it belongs, which is nowhere when it is empty.
func (q *queue) settle(l *lane) {
	first := l.first()
	if first == nil {
		q.close(l)
		return
	}
	if first.key != l.key {
		l.key = first.key
		q.order.moved(l)
	}
}

// find returns the lane of requests like r, nil when there is none.
func (q *queue) find(r *Request) *lane {
	for l := q.buckets[r.hash%laneBuckets]; l != nil; l = l.next {
		if l.hash == r.hash && q.same(r, l.first()) {
			return l
		}
	}
	return nil
}

// open makes an empty lane. It is in no order until something has been put into it and it has been settled.
func (q *queue) open(hash uint64) *lane {
	l := q.spare
	if l != nil {
		q.spare = l.next
	} else {
		l = &lane{levels: make([]fifo, q.levels)}
	}
	bucket := &q.buckets[hash%laneBuckets]
	l.hash, l.key, l.next = hash, never, *bucket
	*bucket = l
	q.order.push(l)
	return l
}

// close takes out a lane that is empty.
func (q *queue) close(l *lane) {
	q.order.remove(l)
	link := &q.buckets[l.hash%laneBuckets]
	for *link != l {
		link = &(*link).next
	}
	*link = l.next
	l.next = q.spare
	q.spare = l
}
