package cache

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/conf"
)

func TestNeverMoreThanMaxBytes(t *testing.T) {
	s := newStore(t, conf.MiB)
	var over atomic.Int64
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			body := strings.Repeat("x", 16<<10)
			for i := range 2000 {
				q := fmt.Sprint(rng.IntN(500))
				s.Store(keyOf(q), answerOf(body[:rng.IntN(len(body))]), time.Duration(1+i%3)*time.Millisecond)
				if a, ok := s.Lookup(keyOf(q)); ok && !strings.HasPrefix(body, string(a.Body)) {
					t.Errorf("found an answer nobody stored: %.40q", a.Body)
				}
				if st := s.Stats(); st.Bytes > st.MaxBytes || st.Entries < 0 {
					over.Add(1)
				}
			}
		})
	}
	workers.Wait()
	s.settle()
	if n := over.Load(); n > 0 {
		t.Errorf("%d times more than MaxBytes, or fewer than no entries", n)
	}
	st := s.Stats()
	if st.Stores == 0 || st.Evictions == 0 {
		t.Errorf("stats = %+v: the store was never full", st)
	}
	var entries, bytes int64
	s.inner.IterValues(func(e *entry) bool {
		entries++
		bytes += e.cost
		return false
	})
	// Expired ones are left out by the iteration but still accounted for.
	if entries > st.Entries || bytes > s.used.Load() {
		t.Errorf("%d entries of %d bytes are stored, but accounted for are %d of %d", entries, bytes, st.Entries, s.used.Load())
	}
}

// TestFullStoreTakesNewAnswers guards against a bound that is kept by refusing everything once it is reached.
func TestFullStoreTakesNewAnswers(t *testing.T) {
	s := newStore(t, conf.MiB)
	body := strings.Repeat("x", 4<<10)
	for i := range 1000 {
		s.Store(keyOf(fmt.Sprint("old", i)), answerOf(body), time.Hour)
		s.settle()
	}
	before := s.Stats()
	if before.Evictions == 0 {
		t.Fatalf("stats = %+v: not full", before)
	}
	// Asked for often enough, it is worth the place of one that never was. Ristretto notes reads in batches and not all
	// of them, so how often is enough is its secret.
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, ok := s.Lookup(keyOf("new")); ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a full store did not take an answer in demand; stats = %+v", s.Stats())
		}
		s.Store(keyOf("new"), answerOf(body), time.Hour)
		s.settle()
	}
	if st := s.Stats(); st.Drops != 0 {
		t.Errorf("%d drops, though nothing was waiting", st.Drops)
	}
}

// TestCost holds what we charge against what the heap says, so that MaxBytes means memory. It looks again and again while
// the store fills, since maps are at their most wasteful just after they have grown.
func TestCost(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes what memory costs")
	}
	for _, size := range []int{0, 100, 1000, 4100} {
		before := heap()
		s := newStore(t, 64*conf.MiB)
		empty := heap() - before
		var worst int64
		for i := range 10_000 {
			s.Store(keyOf(fmt.Sprint(i)), &Answer{Body: make([]byte, size), ContentType: "application/json"}, time.Hour)
			if i%500 != 499 {
				continue
			}
			s.settle()
			taken, st := heap()-before, s.Stats()
			if taken > st.Bytes {
				t.Errorf("%d bodies of %d bytes: the heap grew by %d bytes, but only %d are charged", i, size, taken, st.Bytes)
			}
			if st.Entries != int64(i+1) {
				t.Fatalf("%d entries, want %d", st.Entries, i+1)
			}
			worst = max(worst, (taken-empty)/st.Entries-int64(size))
		}
		t.Logf("bodies of %d bytes: empty %d bytes of %d charged, then up to %d an answer besides its body",
			size, empty, s.size-s.room, worst)
		s.Close()
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and sync.Pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestUseDuringClose(t *testing.T) {
	for range 20 {
		s := newStore(t, conf.MiB)
		var users sync.WaitGroup
		for w := range 4 {
			users.Go(func() {
				for i := range 500 {
					q := keyOf(fmt.Sprint(w, i%50))
					s.Store(q, answerOf("x"), time.Minute)
					s.Lookup(q)
				}
			})
		}
		s.Close()
		users.Wait()
	}
}

func TestLookupAndKeyAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newStore(t, conf.MiB)
	route, body := []byte("route"), []byte(`{"inputs":[]}`)
	s.Store(NewKey(route, body), answerOf("x"), time.Hour)
	s.settle()
	// Ristretto allocates a buffer for every 64 reads that it notes: 1/64 rounds down to none.
	if n := testing.AllocsPerRun(10_000, func() { s.Lookup(NewKey(route, body)) }); n != 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

func BenchmarkNewKey1KiB(b *testing.B) {
	route, body := []byte("route"), make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		NewKey(route, body)
	}
}

func BenchmarkLookupHitParallel(b *testing.B) {
	s := newStore(b, conf.MiB)
	k := keyOf("q")
	s.Store(k, answerOf("x"), time.Hour)
	s.settle()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Lookup(k)
		}
	})
}

func BenchmarkStore1KiB(b *testing.B) {
	s := newStore(b, 16*conf.MiB)
	a := answerOf(strings.Repeat("x", 1024))
	var n [8]byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n[0], n[1], n[2] = byte(i), byte(i>>8), byte(i>>16)
		s.Store(NewKey(n[:]), a, time.Hour)
	}
}
