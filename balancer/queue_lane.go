package balancer

// lane holds the waiters of one model, rank and kind, oldest first: a list, since they leave from anywhere.
type lane struct {
	model *Model
	rank  uint8
	picky bool // each of its waiters may have other nodes than the next: retries, and those with a key that sticks

	first, last *Waiter
	count       int

	pass   uint64  // of the queue, in which cursor means anything
	cursor *Waiter // the next to be tried in that pass; nil = there is nothing for the rest
}

func (l *lane) push(w *Waiter) {
	w.lane, w.before, w.next = l, l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.count++
}

func (l *lane) remove(w *Waiter) {
	if l.cursor == w {
		l.cursor = w.next
	}
	if w.before == nil {
		l.first = w.next
	} else {
		w.before.next = w.next
	}
	if w.next == nil {
		l.last = w.before
	} else {
		w.next.before = w.before
	}
	w.before, w.next = nil, nil
	l.count--
}

// candidate is the next waiter to be tried in this pass, nil = there is none who could use the node; a nil node is any.
func (l *lane) candidate(n *Node, pass uint64) *Waiter {
	if l.pass != pass {
		l.pass, l.cursor = pass, l.first
	}
	if l.picky && n != nil {
		for l.cursor != nil && l.cursor.tried.Has(n) {
			l.cursor = l.cursor.next
		}
	}
	return l.cursor
}

// passOver notes that there is nothing for the waiter in this pass. If it could have used any node, there is nothing for
// those behind it either.
func (l *lane) passOver(w *Waiter) {
	if l.picky {
		l.cursor = w.next
	} else {
		l.cursor = nil
	}
}
