package cache

// Stats is what a store has done since it was made, and what it holds.
type Stats struct {
	Hits, Misses uint64
	// Stores counts answers taken; Rejections those of them that were found to be worth less than what they would have
	// displaced.
	Stores, Rejections uint64
	// Drops counts answers not taken because too much was queued, TooLarge those above the bound for one answer.
	Drops, TooLarge uint64
	// Evictions counts answers that made room for others, Expirations those whose time was over. An expired answer is
	// not found any more, but takes its memory until it is swept, every 2.5 s.
	Evictions, Expirations uint64
	// Entries and Bytes are what is stored or queued, Bytes with all bookkeeping; MaxBytes is the bound on them.
	Entries, Bytes, MaxBytes int64
}

// Stats reads the counters one after the other, so figures of a busy store may be a few answers apart.
func (s *Store) Stats() Stats {
	if s == nil {
		return Stats{}
	}
	return Stats{
		Hits: s.hits.Load(), Misses: s.misses.Load(),
		Stores: s.stores.Load(), Rejections: s.rejections.Load(),
		Drops: s.drops.Load(), TooLarge: s.tooLarge.Load(),
		Evictions: s.evictions.Load(), Expirations: s.expirations.Load(),
		Entries: s.entries.Load(), Bytes: s.size - s.room + s.used.Load(), MaxBytes: s.size,
	}
}
