package balancer

import (
	"sync/atomic"
	"time"
)

// retryUnits is what one retry costs, so that a first attempt can deposit a fraction of it in whole numbers.
const retryUnits = 1_000_000

// budget bounds the retries of a pool to a share of its first attempts, so that an outage is not made worse by everybody
// trying again: a token bucket that first attempts fill and retries empty. The idea is Finagle's RetryBudget and the
// per-client retry budget in the chapter "Handling Overload" of Google's Site Reliability Engineering.
//
// A share of next to nothing is nothing, so a pool with little traffic may always make floor retries a second. What the
// bucket cannot pay of them it owes, so the floor adds nothing to the share of a busy pool; the debt is bounded, since a
// pool whose share is less than its floor will never pay. What was not spent is kept up to a burst: when a node dies, all
// that it had in flight wants a retry in the same instant.
type budget struct {
	deposited int64 // units a first attempt brings
	burst     int64 // units kept at most
	floor     int64 // retries a second, and what may be owed
	now       func() time.Duration

	balance atomic.Int64  // units; negative = owed
	spent   atomic.Uint64 // second of the clock << 32 | retries in it
}

func newBudget(cfg RetryConfig, now func() time.Duration) *budget {
	b := &budget{
		deposited: int64(cfg.BudgetPercent / 100 * retryUnits),
		burst:     int64(cfg.BudgetBurst) * retryUnits,
		floor:     int64(cfg.BudgetFloor),
		now:       now,
	}
	// A gateway that was just started is no reason for failures: it begins with what a running one has saved.
	if b.deposited > 0 {
		b.balance.Store(b.burst)
	}
	return b
}

// deposit is called for each first attempt. In quiet times the bucket is full and this is a single load.
func (b *budget) deposit() {
	if b.balance.Load() < b.burst {
		// Several at once may overfill the bucket by a deposit each, which is a fraction of a retry each.
		b.balance.Add(b.deposited)
	}
}

// take pays for one retry; false = the budget is spent.
func (b *budget) take() bool {
	for {
		before := b.spent.Load()
		second := uint64(b.now() / time.Second)
		after := second<<32 | 1
		if before>>32 == second {
			after = before + 1
		}
		below := int64(uint32(after)) <= b.floor
		if !below && b.balance.Load() < retryUnits {
			return false
		}
		if b.spent.CompareAndSwap(before, after) {
			return b.pay(below)
		}
	}
}

// left reports whether take would pay now.
func (b *budget) left() bool {
	if b.balance.Load() >= retryUnits {
		return true
	}
	spent := b.spent.Load()
	return spent>>32 != uint64(b.now()/time.Second) && b.floor > 0 || int64(uint32(spent)) < b.floor
}

// pay takes one retry out of the bucket, if it is there or may be owed.
func (b *budget) pay(mayOwe bool) bool {
	for {
		balance := b.balance.Load()
		if balance < retryUnits && !mayOwe {
			return false
		}
		after := max(balance-retryUnits, -b.floor*retryUnits)
		if b.balance.CompareAndSwap(balance, after) {
			return true
		}
	}
}
