package scheduler

import "sync"

// batches keeps batches and the memory of their results for use again.
type batches struct {
	memory Memory
	always int // how many are kept whatever they hold

	mu     sync.Mutex
	spare  []*batch // the last one used last
	kept   int64    // bytes of their results
	closed bool
}

const (
	// spareBatches bounds how many are kept. More than one for each instance are in use when answers take longer to be
	// written than runs to be made; then they are many and small.
	spareBatches = 256

	// spareBytes bounds what those beyond always hold.
	spareBytes = 16 << 20
)

// newBatches keeps two for each instance: one running, and one whose results are being sent.
func newBatches(memory Memory, instances int) batches {
	return batches{memory: memory, always: 2 * instances}
}

func (p *batches) take() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.spare) - 1; n >= 0 {
		b := p.spare[n]
		p.spare[n] = nil
		p.spare = p.spare[:n]
		p.kept -= b.results.bytes()
		return b
	}
	return &batch{results: Results{memory: p.memory}, pool: p}
}

// put takes back a batch that nobody uses any more.
func (p *batches) put(b *batch) {
	b.results.Reset()
	clear(b.items)
	*b = batch{items: b.items[:0], results: b.results, pool: p}
	size := b.results.bytes()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.spare) >= p.always && (len(p.spare) >= spareBatches || p.kept+size > spareBytes) {
		b.results.free()
		return
	}
	p.kept += size
	p.spare = append(p.spare, b)
}

// close gives back the memory of the spare ones now, and of the others when they are put back.
func (p *batches) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.spare {
		b.results.free()
	}
	p.spare, p.kept, p.closed = nil, 0, true
}
