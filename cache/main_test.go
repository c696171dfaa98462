package cache

import (
	"testing"

	"ganglion/internal/conf"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newStore makes a store that the test closes.
func newStore(t testing.TB, size conf.Size) *Store {
	t.Helper()
	s, err := New(Config{MaxBytes: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// settle returns when everything stored before has been taken or refused.
func (s *Store) settle() { s.inner.Wait() }

func keyOf(text string) Key { return NewKey([]byte(text)) }

func answerOf(body string) *Answer {
	return &Answer{Body: []byte(body), ContentType: "application/json", HeaderLength: -1}
}
