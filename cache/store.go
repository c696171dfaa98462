package cache

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// Store keeps answers by key. A nil Store is a cache that is off: nothing is found, nothing is kept.
type Store struct {
	size  int64 // Config.MaxBytes
	room  int64 // for answers, stored or waiting
	limit int64 // for one answer

	// closing is held for reading by whoever is inside ristretto: it must not be used while it is being closed, since it
	// sends on channels that Close closes.
	closing sync.RWMutex
	inner   *ristretto.Cache[uint64, *entry] // nil once closed

	used    atomic.Int64 // bytes of answers, stored or waiting; at most room
	entries atomic.Int64

	hits, misses                        atomic.Uint64
	stores, drops, rejections, tooLarge atomic.Uint64
	evictions, expirations              atomic.Uint64
}

// New makes a store and starts its two goroutines, which Close stops; it returns nil if cfg turns the cache off.
func New(cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("cannot make a cache: max_bytes = %w", err)
	}
	if cfg.MaxBytes == 0 {
		return nil, nil
	}
	s := &Store{size: int64(cfg.MaxBytes)}
	s.room = s.size - fixedCost(cfg.MaxBytes)
	s.limit = s.size / shareOfAnswer
	inner, err := ristretto.NewCache(&ristretto.Config[uint64, *entry]{
		NumCounters:        counters(cfg.MaxBytes),
		MaxCost:            s.room - s.room/shareOfQueue,
		BufferItems:        64, // reads that are noted together; ristretto's advice
		IgnoreInternalCost: true,
		KeyToHash:          func(place uint64) (uint64, uint64) { return place, 0 },
		OnEvict:            s.onEvict,
		OnReject:           func(*ristretto.Item[*entry]) { s.rejections.Add(1) },
		OnExit:             s.onExit,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make a cache of %v: %w", cfg.MaxBytes, err)
	}
	s.inner = inner
	return s, nil
}

// Close forgets all answers and returns when the goroutines of the store have ended. Later calls find and keep nothing.
func (s *Store) Close() {
	if s == nil {
		return
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.inner != nil {
		s.inner.Close()
		s.inner = nil
	}
}

// Lookup returns the answer stored under the key unless its time is over. The answer is shared: it must not be changed,
// and may be used for as long as it is held.
func (s *Store) Lookup(k Key) (*Answer, bool) {
	if s == nil {
		return nil, false
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	if e := s.find(&k); e != nil {
		s.hits.Add(1)
		return &e.answer, true
	}
	s.misses.Add(1)
	return nil, false
}

// Holds reports whether Lookup would find an answer, and counts nothing.
func (s *Store) Holds(k Key) bool {
	if s == nil {
		return false
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	return s.inner != nil && s.find(&k) != nil
}

// Store keeps a copy of the answer under the key for ttl from now; a ttl that is not positive keeps nothing. An answer
// that is stored already stays, with its own time: whoever meets it would not have had to ask.
//
// It does not wait: the answer is queued and shows up when the queue has been worked off. It is dropped, and counted as
// such, if it is too large, if too much is queued, or if it is worth less than what would have to make room for it.
func (s *Store) Store(k Key, a *Answer, ttl time.Duration) { s.keep(k, a, ttl, false) }

// Replace is Store for an answer that is newer than the one that may be stored already: it takes its place.
func (s *Store) Replace(k Key, a *Answer, ttl time.Duration) { s.keep(k, a, ttl, true) }

func (s *Store) keep(k Key, a *Answer, ttl time.Duration, replace bool) {
	if s == nil || ttl <= 0 {
		return
	}
	if costOf(len(a.Body), len(a.ContentType)) > s.limit {
		s.tooLarge.Add(1)
		return
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.inner == nil || (!replace && s.find(&k) != nil) {
		return
	}
	e := newEntry(k, a)
	if !s.reserve(e.cost) {
		s.drops.Add(1)
		return
	}
	s.entries.Add(1)
	if !s.inner.SetWithTTL(k.place(), e, e.cost, ttl) {
		s.onExit(e)
		s.drops.Add(1)
		return
	}
	s.stores.Add(1)
}

// find returns the entry of exactly this key. The caller holds s.closing.
func (s *Store) find(k *Key) *entry {
	if e, ok := s.inner.Get(k.place()); ok && e.key == *k {
		return e
	}
	return nil
}

// reserve books the bytes before ristretto gets them, so that what is queued counts too.
func (s *Store) reserve(cost int64) bool {
	for {
		used := s.used.Load()
		if used+cost > s.room {
			return false
		}
		if s.used.CompareAndSwap(used, used+cost) {
			return true
		}
	}
}

// onExit is called once for every entry that leaves ristretto or did not get in, and with nil for places found empty.
func (s *Store) onExit(e *entry) {
	if e != nil {
		s.used.Add(-e.cost)
		s.entries.Add(-1)
	}
}

// onEvict counts why an entry leaves: ristretto gives the expiry only when that is the reason.
func (s *Store) onEvict(item *ristretto.Item[*entry]) {
	switch {
	case item.Value == nil:
	case item.Expiration.IsZero():
		s.evictions.Add(1)
	default:
		s.expirations.Add(1)
	}
}
