package cache

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ganglion/internal/conf"
)

func TestStoredAnswerIsFound(t *testing.T) {
	s := newStore(t, conf.MiB)
	if _, ok := s.Lookup(keyOf("q")); ok {
		t.Fatal("found an answer in an empty store")
	}
	s.Store(keyOf("q"), &Answer{Body: []byte("{}binary"), ContentType: "application/octet-stream", HeaderLength: 2}, time.Minute)
	s.settle()
	a, ok := s.Lookup(keyOf("q"))
	if !ok || string(a.Body) != "{}binary" || a.ContentType != "application/octet-stream" || a.HeaderLength != 2 {
		t.Errorf("got %+v, %t", a, ok)
	}
	if _, ok := s.Lookup(keyOf("other")); ok {
		t.Error("found an answer to another question")
	}
	st := s.Stats()
	if st.Hits != 1 || st.Misses != 2 || st.Stores != 1 || st.Entries != 1 {
		t.Errorf("stats = %+v", st)
	}
}

func TestStoredAnswerIsACopy(t *testing.T) {
	s := newStore(t, conf.MiB)
	a := answerOf("good")
	s.Store(keyOf("q"), a, time.Minute)
	copy(a.Body, "EVIL") // as a request's buffer is reused
	s.settle()
	if got, ok := s.Lookup(keyOf("q")); !ok || string(got.Body) != "good" {
		t.Errorf("got %q, %t; want the bytes at the time of storing", got.Body, ok)
	}
}

func TestKeysThatShareAPlaceAreToldApart(t *testing.T) {
	s := newStore(t, conf.MiB)
	mine := keyOf("q")
	theirs := mine
	theirs[31] ^= 1 // the same first 64 bits, by which ristretto looks
	s.Store(mine, answerOf("mine"), time.Minute)
	s.settle()
	if a, ok := s.Lookup(theirs); ok {
		t.Errorf("the answer %q was found under another key", a.Body)
	}
	s.Store(theirs, answerOf("theirs"), time.Minute)
	s.settle()
	if a, ok := s.Lookup(theirs); !ok || string(a.Body) != "theirs" {
		t.Errorf("got %v, %t", a, ok)
	}
	if _, ok := s.Lookup(mine); ok {
		t.Error("two answers in one place")
	}
	if st := s.Stats(); st.Entries != 1 {
		t.Errorf("%d entries are accounted for, want 1", st.Entries)
	}
}

func TestFirstAnswerStays(t *testing.T) {
	s := newStore(t, conf.MiB)
	s.Store(keyOf("q"), answerOf("first"), time.Minute)
	s.settle()
	s.Store(keyOf("q"), answerOf("second"), time.Minute)
	s.settle()
	if a, _ := s.Lookup(keyOf("q")); string(a.Body) != "first" {
		t.Errorf("got %q", a.Body)
	}
}

func TestReplaceTakesItsPlace(t *testing.T) {
	s := newStore(t, conf.MiB)
	s.Store(keyOf("q"), answerOf("first"), time.Hour)
	s.settle()
	s.Replace(keyOf("q"), answerOf("a longer second"), time.Hour)
	s.settle()
	if a, ok := s.Lookup(keyOf("q")); !ok || string(a.Body) != "a longer second" {
		t.Errorf("found %v, %t, want the second answer", a, ok)
	}
	s.Replace(keyOf("new"), answerOf("x"), time.Hour)
	s.settle()
	if _, ok := s.Lookup(keyOf("new")); !ok {
		t.Error("Replace did not store an answer that was not there")
	}
	want := costOf(len("a longer second"), len(answerOf("").ContentType)) + costOf(1, len(answerOf("").ContentType))
	if used := s.used.Load(); s.Stats().Entries != 2 || used < want || used > want+64 {
		t.Errorf("%d entries of %d bytes are accounted for, want 2 of about %d", s.Stats().Entries, used, want)
	}
}

func TestNothingWithoutATimeToLive(t *testing.T) {
	s := newStore(t, conf.MiB)
	s.Store(keyOf("q"), answerOf("x"), 0)
	s.Store(keyOf("q"), answerOf("x"), -time.Second)
	s.settle()
	if st := s.Stats(); st.Entries != 0 || st.Stores != 0 {
		t.Errorf("stats = %+v, want nothing stored", st)
	}
}

func TestTooLargeAnswerIsNotStored(t *testing.T) {
	s := newStore(t, conf.MiB)
	limit := int(conf.MiB) / shareOfAnswer
	s.Store(keyOf("large"), answerOf(strings.Repeat("x", limit)), time.Minute)
	s.Store(keyOf("small"), answerOf(strings.Repeat("x", limit/2)), time.Minute)
	s.settle()
	if _, ok := s.Lookup(keyOf("large")); ok {
		t.Error("found the large one")
	}
	if _, ok := s.Lookup(keyOf("small")); !ok {
		t.Error("missed the small one")
	}
	if st := s.Stats(); st.TooLarge != 1 {
		t.Errorf("stats = %+v, want one too large", st)
	}
}

func TestStoreThatIsOff(t *testing.T) {
	s, err := New(Config{})
	if err != nil || s != nil {
		t.Fatalf("New = %v, %v; want nil, nil", s, err)
	}
	s.Store(keyOf("q"), answerOf("x"), time.Minute)
	if _, ok := s.Lookup(keyOf("q")); ok {
		t.Error("found something in no store")
	}
	if st := s.Stats(); st != (Stats{}) {
		t.Errorf("stats = %+v", st)
	}
	s.Close()
}

func TestClosedStoreKeepsNothing(t *testing.T) {
	s := newStore(t, conf.MiB)
	s.Store(keyOf("q"), answerOf("x"), time.Minute)
	s.settle()
	a, _ := s.Lookup(keyOf("q"))
	s.Close()
	s.Close()
	if !bytes.Equal(a.Body, []byte("x")) {
		t.Error("an answer in use changed by Close")
	}
	s.Store(keyOf("p"), answerOf("x"), time.Minute)
	if _, ok := s.Lookup(keyOf("q")); ok {
		t.Error("found something after Close")
	}
	if st := s.Stats(); st.Entries != 0 || st.Bytes != int64(conf.MiB)-s.room {
		t.Errorf("stats = %+v, want nothing accounted for", st)
	}
}

func TestBadSize(t *testing.T) {
	for _, size := range []conf.Size{-1, 1, conf.MiB - 1, maxBytes + 1} {
		if s, err := New(Config{MaxBytes: size}); err == nil {
			s.Close()
			t.Errorf("New accepted %d bytes", size)
		} else if !strings.Contains(err.Error(), "max_bytes") || !strings.Contains(err.Error(), "1MiB") {
			t.Errorf("New(%d): %v; want the key and what is accepted", size, err)
		}
	}
}
