package hop

// table finds streams by id: open addressing with linear probing, at most half full, so that opening and closing streams
// allocates nothing once it has grown. Ids rise one by one, which spreads them perfectly over slots taken by their low bits.
type table struct {
	slots []entry // a power of two of them, or none
	used  int
}

// entry is one open stream. On the client's side st is nil once nobody waits for the answer but the server has not yet
// confirmed: the id is still taken.
type entry struct {
	id uint64 // 0 marks a free slot
	st *stream
}

// find returns the entry of id, nil when there is none. It is good until the next add or remove.
func (t *table) find(id uint64) *entry {
	if len(t.slots) == 0 || id == 0 {
		return nil
	}
	mask := len(t.slots) - 1
	for i := int(id) & mask; t.slots[i].id != 0; i = (i + 1) & mask {
		if t.slots[i].id == id {
			return &t.slots[i]
		}
	}
	return nil
}

// add enters a stream under an id that is not in the table.
func (t *table) add(id uint64, st *stream) {
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	t.place(entry{id, st})
	t.used++
}

func (t *table) place(e entry) {
	mask := len(t.slots) - 1
	i := int(e.id) & mask
	for t.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = e
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]entry, max(64, 2*len(old)))
	for _, e := range old {
		if e.id != 0 {
			t.place(e)
		}
	}
}

// remove takes id out, and moves what had to probe past its slot back, so that no tombstones are needed.
func (t *table) remove(id uint64) {
	e := t.find(id)
	if e == nil {
		return
	}
	mask := len(t.slots) - 1
	hole := int(id) & mask
	for t.slots[hole].id != id {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i].id != 0; i = (i + 1) & mask {
		home := int(t.slots[i].id) & mask
		// An entry may fill the hole if its home is not cyclically between the hole and itself.
		if (i-home)&mask >= (i-hole)&mask {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = entry{}
	t.used--
}
