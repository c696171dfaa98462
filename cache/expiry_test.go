package cache

import (
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/conf"
)

// In the bubble the clock stands still while anybody works, so the last moment of an answer can be met exactly.
func TestAnswerExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{MaxBytes: conf.MiB})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Store(keyOf("short"), answerOf("x"), time.Second)
		s.Store(keyOf("long"), answerOf("x"), time.Hour)
		s.settle()
		time.Sleep(time.Second)
		if _, ok := s.Lookup(keyOf("short")); !ok {
			t.Error("gone before its time")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := s.Lookup(keyOf("short")); ok {
			t.Error("found after its time")
		}
		if _, ok := s.Lookup(keyOf("long")); !ok {
			t.Error("another answer went with it")
		}
		// Stored anew it is found again, though the old one has not been swept yet.
		s.Store(keyOf("short"), answerOf("y"), time.Second)
		s.settle()
		if a, ok := s.Lookup(keyOf("short")); !ok || string(a.Body) != "y" {
			t.Errorf("got %v, %t after storing again", a, ok)
		}
	})
}

func TestExpiredAnswersGiveTheirMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{MaxBytes: conf.MiB})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		empty := s.Stats().Bytes
		for _, q := range []string{"a", "b", "c"} {
			s.Store(keyOf(q), answerOf("x"), time.Second)
		}
		s.settle()
		if st := s.Stats(); st.Entries != 3 || st.Bytes <= empty {
			t.Fatalf("stats = %+v, want 3 entries", st)
		}
		// Sweeping works in buckets of five seconds, and a bucket is swept once it is over.
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Entries != 0 || st.Bytes != empty || st.Expirations != 3 || st.Evictions != 0 {
			t.Errorf("stats = %+v, want 0 entries, %d bytes, 3 expirations", st, empty)
		}
	})
}
