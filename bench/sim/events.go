package main

import "time"

// event is something that will happen to a node, a gateway or a request.
type event struct {
	at    time.Duration // since the simulation began
	order uint64        // of two at the same time, the one that was planned first happens first
	kind  eventKind
	// who is a node, or for noticed a gateway; what is an exchange, an instance of a node, or for noticed a node; life is
	// the node's when the event was planned.
	who, what, life int32
}

type eventKind uint8

const (
	arriveAtNode eventKind = iota // an exchange's attempt arrives at the node
	endOfRun                      // an instance is done with its batch
	answered                      // the node's answer arrives at the gateway
	declined                      // the gateway knows that the node did not take the attempt
	refused                       // the attempt failed, and its gateway knows
	nodeDies
	nodeReturns
	noticedDead // a gateway's probes find the node down
	noticedBack // a gateway's probes find the node up
	slows       // a node becomes slow
	tellDue     // a node may tell its load again
	heard       // what it told arrives at the gateways; what is the news
)

// agenda is what will happen, soonest first: a binary heap.
type agenda struct {
	heap    []event
	planned uint64
}

func (a *agenda) empty() bool { return len(a.heap) == 0 }

// next is when the first event is due. The agenda must not be empty.
func (a *agenda) next() time.Duration { return a.heap[0].at }

func (e *event) before(other *event) bool {
	return e.at < other.at || e.at == other.at && e.order < other.order
}

// plan adds an event.
func (a *agenda) plan(e event) {
	e.order = a.planned
	a.planned++
	a.heap = append(a.heap, e)
	at := len(a.heap) - 1
	for at > 0 {
		parent := (at - 1) / 2
		if !e.before(&a.heap[parent]) {
			break
		}
		a.heap[at] = a.heap[parent]
		at = parent
	}
	a.heap[at] = e
}

// take removes the first event.
func (a *agenda) take() event {
	first, last := a.heap[0], a.heap[len(a.heap)-1]
	a.heap = a.heap[:len(a.heap)-1]
	if len(a.heap) == 0 {
		return first
	}
	at := 0
	for {
		child := 2*at + 1
		if child >= len(a.heap) {
			break
		}
		if child+1 < len(a.heap) && a.heap[child+1].before(&a.heap[child]) {
			child++
		}
		if !a.heap[child].before(&last) {
			break
		}
		a.heap[at] = a.heap[child]
		at = child
	}
	a.heap[at] = last
	return first
}
