package scheduler

// member is what a heap holds: it knows its order and remembers its place.
type member[T any] interface {
	comparable
	before(other T) bool
	index() *int // where the heap keeps the member's place; -1 is for those in no heap
}

// heap is a binary heap whose members can be found, moved and removed in logarithmic time.
type heap[T member[T]] struct {
	items []T
}

func (h *heap[T]) empty() bool { return len(h.items) == 0 }
func (h *heap[T]) first() T    { return h.items[0] }

func (h *heap[T]) push(x T) {
	h.items = append(h.items, x)
	h.up(len(h.items)-1, x)
}

// remove takes x out, which is in the heap.
func (h *heap[T]) remove(x T) {
	hole, end := *x.index(), len(h.items)-1
	last := h.items[end]
	var none T
	h.items[end] = none
	h.items = h.items[:end]
	*x.index() = -1
	if last != x {
		h.place(hole, last)
	}
}

// moved puts x, which is in the heap, where it belongs now.
func (h *heap[T]) moved(x T) { h.place(*x.index(), x) }

// place puts x into the hole at i, or where it belongs from there.
func (h *heap[T]) place(i int, x T) {
	if i > 0 && x.before(h.items[(i-1)/2]) {
		h.up(i, x)
	} else {
		h.down(i, x)
	}
}

func (h *heap[T]) up(i int, x T) {
	for i > 0 {
		parent := (i - 1) / 2
		if !x.before(h.items[parent]) {
			break
		}
		h.set(i, h.items[parent])
		i = parent
	}
	h.set(i, x)
}

func (h *heap[T]) down(i int, x T) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if right := child + 1; right < len(h.items) && h.items[right].before(h.items[child]) {
			child = right
		}
		if !h.items[child].before(x) {
			break
		}
		h.set(i, h.items[child])
		i = child
	}
	h.set(i, x)
}

func (h *heap[T]) set(i int, x T) {
	h.items[i] = x
	*x.index() = i
}
