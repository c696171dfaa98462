package hop

import (
	"fmt"
	"math"
	"time"
)

// A request's condition travels in one byte of its head: 0 is none, up to mostMost how many requests the node may hold, and from there
// on how long the request may wait, by a scale that is fine enough to tell one run from the next.
const (
	mostMost   = 127
	withinUnit = 16 * time.Microsecond // is code mostMost+1
	withinFine = 4                     // so many codes double it
)

// conditional reports whether the request has a condition.
func (r *Request) conditional() bool { return r.Most > 0 || r.Within > 0 }

// Allows reports whether a node with that load may begin the request, which the load leaves out, as far as its condition goes.
func (r *Request) Allows(l Load) bool {
	return (r.Most == 0 || l.Held() < int64(r.Most)) && (r.Within <= 0 || l.Wait.Truncate(time.Microsecond) <= r.Within)
}

// excuses says why the load does not let the node decline the request.
func (r *Request) excuses(l Load) string {
	if r.Within > 0 {
		return fmt.Sprintf("declined with a wait of %s, and the request may wait %s", l.Wait, r.Within)
	}
	return fmt.Sprintf("declined while it held %d requests, and might hold %d with this one", l.Held(), r.Most)
}

// condition is the byte for the head.
func (r *Request) condition() uint8 {
	switch {
	case r.Within > 0:
		steps := math.Ceil(withinFine * math.Log2(float64(r.Within)/float64(withinUnit)))
		return uint8(min(max(steps, 0), math.MaxUint8-mostMost-1)) + mostMost + 1
	case r.Most <= mostMost:
		return r.Most
	}
	return 0 // so many that none is as good
}

// readCondition takes it out of a head.
func (r *Request) readCondition(code uint8) {
	r.Most, r.Within = code, 0
	if code > mostMost {
		steps := float64(code-mostMost-1) / withinFine
		r.Most, r.Within = 0, time.Duration(math.Exp2(steps)*float64(withinUnit)).Truncate(time.Microsecond)
	}
}
