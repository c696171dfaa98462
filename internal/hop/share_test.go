package hop

import (
	"sync/atomic"
	"testing"
	"time"
)

// account is a Memory that others draw from.
type account struct{ left atomic.Int64 }

func (a *account) Reserve(bytes int64) bool {
	if a.left.Add(-bytes) >= 0 {
		return true
	}
	a.left.Add(bytes)
	return false
}

func (a *account) Release(bytes int64) { a.left.Add(bytes) }

// A shared budget refuses what others have left no room for, and gives back all that it took.
func TestSharedBudget(t *testing.T) {
	var memory account
	memory.left.Store(3 << 20)
	cfg := DefaultConfig()
	cfg.Budget = ShareBudget(&memory)
	client, server := connected(t)
	p := start(t, client, server, DefaultConfig(), cfg, echo)
	var x Exchange
	body := noise(1, 2<<20)
	if err := p.conn.Do(post(&x, body)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); memory.left.Load() != 3<<20; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d bytes were given back", memory.left.Load(), 3<<20)
		}
		time.Sleep(time.Millisecond)
	}
	if !memory.Reserve(2 << 20) {
		t.Fatal("the account is empty")
	}
	if code := codeIn(t, p.conn.Do(post(&x, body))); code != CodeRefused {
		t.Errorf("got %v, want the body to be refused: somebody else has taken the memory", code)
	}
}
