package main

// queue is a first-in-first-out queue of exchanges that grows as needed.
type queue struct {
	ring  []int32 // its length is a power of two
	first int
	count int
}

func (q *queue) push(x int32) {
	q.grow()
	q.ring[(q.first+q.count)&(len(q.ring)-1)] = x
	q.count++
}

// pushFront puts x before all others.
func (q *queue) pushFront(x int32) {
	q.grow()
	q.first = (q.first - 1) & (len(q.ring) - 1)
	q.ring[q.first] = x
	q.count++
}

// pop takes the first out. The queue must not be empty.
func (q *queue) pop() int32 {
	x := q.ring[q.first]
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	return x
}

func (q *queue) grow() {
	if q.count < len(q.ring) {
		return
	}
	ring := make([]int32, max(8, 2*len(q.ring)))
	for i := range q.count {
		ring[i] = q.ring[(q.first+i)&(len(q.ring)-1)]
	}
	q.ring, q.first = ring, 0
}
