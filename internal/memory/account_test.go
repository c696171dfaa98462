package memory

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestAccountIsNeverOverdrawn(t *testing.T) {
	a := Account{Limit: 10}
	var held atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 1000 {
				if !a.Reserve(3) {
					continue
				}
				if held.Add(3) > 10 {
					t.Error("more is held than there is")
				}
				held.Add(-3)
				a.Release(3)
			}
		})
	}
	workers.Wait()
	if a.Used() != 0 {
		t.Errorf("%d bytes are left reserved", a.Used())
	}
	if !a.Reserve(10) || a.Reserve(1) || a.Used() != 10 {
		t.Errorf("%d of 10 bytes are reserved, want all and no more", a.Used())
	}
}
