package balancer

// Behind several gateways what each knows of a node is old, and several of them send to the same idle node at once. So an attempt may
// be conditional: it says how many requests the node should hold with it for the gateway to have chosen well, and a node that holds
// more, and could not begin it at once, declines it. That costs the way there and back, and the gateway chooses again by what it has
// learned.

// DeclinesMost is how many attempts of an exchange may be declined. The next one should be unconditional: by then news is so quickly
// old that another choice is not better than the last.
const DeclinesMost = 4

// Expects is the most requests, with this one, that the node should hold for the attempt to be worth taking. It is conditional only if
// that can be said: else the node should take the attempt, whatever it holds.
func (l *Lease) Expects() (most int, conditional bool) { return 0, false }

// Declined gives the lease back, in place of Done, of a conditional attempt that the node did not take. It takes in what the node said:
// its load, and how many of its requests are from us. The node does not count as tried any more, and nothing is held against it: with
// the books corrected it may be the best one still.
func (l *Lease) Declined(load Load, _ int64, tried *Tried) {
	if l.within > 0 {
		l.place.opening.declined(load, l.place.node.pool.now())
	}
	*tried = Tried{}
	l.Done(Neutral)
}
