package gateway

import "ganglion/internal/hop"

// held is the memory of one answer that counts against upstream.max_answer_memory: that of answers too large for the buffers
// that connections keep. Small answers are bounded by the number of connections.
type held struct {
	budget hop.Budget
	bytes  int64
	body   []byte // memory of the budget's, to be used again; nil = the garbage collector's
}

// grow takes n more bytes, or reports that they are not there.
func (h *held) grow(budget hop.Budget, n int64) bool {
	if !budget.Reserve(n) {
		return false
	}
	h.budget = budget
	h.bytes += n
	return true
}

// release gives everything back. Nobody reads the answer any more.
func (h *held) release() {
	if h.bytes == 0 {
		return
	}
	h.budget.Release(h.bytes)
	if h.body != nil {
		h.budget.Recycle(h.body)
	}
	*h = held{}
}
