package rpc

import (
	"testing"

	"ganglion/internal/memory"
)

func TestMessagesAreHeldWithinTheBudget(t *testing.T) {
	b := bodies{Account: memory.Account{Limit: 100 << 10}}
	free, err := b.hold(60 << 10)
	if err != nil || b.full() {
		t.Fatalf("the first: %v, full %v", err, b.full())
	}
	if _, err := b.hold(60 << 10); err == nil || b.refused.Load() != 1 {
		t.Errorf("one too many: %v", err)
	}
	if _, err := b.hold(smallBody); err != nil {
		t.Errorf("a small one: %v", err)
	}
	free()
	if b.Used() != 0 {
		t.Errorf("%d bytes are left", b.Used())
	}
}
