package balancer

// footing is how a node stands now, while snapshots may be older: the standing that it has at best, whatever the model, and in
// the last bit whether it falters, which means that the attempt that ended there last was not answered.
//
// Who retries goes to a node that does not falter, if there is one. When several nodes of a pool die at once, an attempt that met
// one of them would meet another next, and those exchanges are lost which have but two attempts, until all the circuits have
// opened: each dead node may cost every gateway some requests that are repeated, but hardly one that is not. First attempts go
// there as before. They find out whether it was the node's fault.
type footing uint32

const faltering footing = 1

// firm is the footing of a node of that standing that does not falter, shaky of one that does.
func (st standing) firm() footing  { return footing(st) << 1 }
func (st standing) shaky() footing { return footing(st)<<1 | faltering }

// footing is that of the node now.
func (n *Node) footing() footing { return footing(n.stands.Load()) }

// stand has pickers see how the node stands. The caller holds Pool.control, or nobody else has the node yet.
func (n *Node) stand() {
	for {
		before := n.stands.Load()
		if n.stands.CompareAndSwap(before, uint32(n.standing().firm()|footing(before)&faltering)) {
			return
		}
	}
}

// falter notes how the last attempt ended. Every core does, and mostly there is nothing new to write.
func (n *Node) falter(o Outcome) {
	falters := n.footing()&faltering != 0
	switch {
	case o == Failure && !falters:
		n.stands.Or(uint32(faltering))
	case (o == Success || o == Faulty) && falters:
		n.stands.And(^uint32(faltering))
	}
}
