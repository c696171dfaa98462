package balancer

import "time"

// rampSteps is in how many steps a node that came back gets its share: a tenth at first, all of it after the ninth step.
const rampSteps = 10

// ramp is how many tenths of its share the node gets, and when that changes; 0 = not any more.
func (n *Node) ramp(slowStart, now time.Duration) (step uint64, next time.Duration) {
	began := time.Duration(n.cameBack.Load())
	if began == 0 || slowStart <= 0 {
		return rampSteps, 0
	}
	length := max(1, slowStart/(rampSteps-1))
	done := max(0, now-began) / length
	if done >= rampSteps-1 {
		return rampSteps, 0
	}
	return uint64(done) + 1, began + (done+1)*length
}
