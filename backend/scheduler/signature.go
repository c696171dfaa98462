package scheduler

import (
	"hash/maphash"
	"math/bits"

	"ganglion/internal/oip"
)

// The signature of a request is what must agree for two of them to share a batch: the inputs and their order, datatypes,
// all dimensions but the first (a ragged one counts by its bucket), and the outputs asked for. It is never written down:
// requests in a lane stand for it, found by hash and compared in full.

// hashOf returns the hash of a request's signature. The seed is the scheduler's own, so that nobody can send requests
// that collide.
func (s *Scheduler) hashOf(r *Request) uint64 {
	if s.cfg.MaxBatchSize == 0 {
		return 0
	}
	h := uint64(len(r.Inputs))
	for i := range r.Inputs {
		t := &r.Inputs[i]
		h = mix(h, maphash.String(s.seed, t.Name))
		h = mix(h, uint64(t.Datatype)<<8|uint64(len(t.Shape)))
		group, axis := s.raggedAxis(t.Name)
		for j := 1; j < len(t.Shape); j++ {
			if j == axis {
				h = mix(h, uint64(r.buckets[group]))
			} else {
				h = mix(h, uint64(t.Shape[j]))
			}
		}
	}
	for _, name := range r.Want {
		h = mix(h, maphash.String(s.seed, name))
	}
	return h
}

// mix folds x into h: multiplying by an odd number with both halves of the product kept spreads each bit over all.
func mix(h, x uint64) uint64 {
	high, low := bits.Mul64(h^x, 0x9e3779b97f4a7c15) // 2^64 divided by the golden ratio
	return high ^ low
}

// same reports whether two requests have the same signature.
func (s *Scheduler) same(a, b *Request) bool {
	if s.cfg.MaxBatchSize == 0 {
		return true
	}
	if a.hash != b.hash || len(a.Inputs) != len(b.Inputs) || len(a.Want) != len(b.Want) {
		return false
	}
	for i := range a.Want {
		if a.Want[i] != b.Want[i] {
			return false
		}
	}
	for i := range a.Inputs {
		if !s.sameInput(&a.Inputs[i], &b.Inputs[i]) {
			return false
		}
	}
	return a.buckets == b.buckets
}

// sameInput compares everything of two tensors but the first dimension, a ragged one, and the data.
func (s *Scheduler) sameInput(a, b *oip.Tensor) bool {
	if a.Name != b.Name || a.Datatype != b.Datatype || len(a.Shape) != len(b.Shape) {
		return false
	}
	_, axis := s.raggedAxis(a.Name)
	for i := 1; i < len(a.Shape); i++ {
		if a.Shape[i] != b.Shape[i] && i != axis {
			return false
		}
	}
	return true
}
