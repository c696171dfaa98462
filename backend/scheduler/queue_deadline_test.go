package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestQueueDeadline: it ends the wait of a request, to the moment, and not its run.
func TestQueueDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner := lasting(5 * time.Second)
		s := newScheduler(t, Config{MaxBatchSize: 1}, runner)
		hurried := func(value int64, wait time.Duration) *Request {
			r := one(value)
			r.QueueDeadline = time.Now().Add(wait)
			return r
		}
		first := send(t.Context(), s, hurried(1, time.Second)) // begins at once, and runs on beyond it
		synctest.Wait()
		waits := send(t.Context(), s, hurried(2, 6*time.Second)) // begins after 5 s
		synctest.Wait()
		expires := send(t.Context(), s, hurried(3, 7*time.Second)) // would begin after 10 s
		wantTimeout(t, expires, 7*time.Second)
		first.wantEcho(t)
		waits.wantEcho(t)
		if waits.took != 10*time.Second {
			t.Errorf("the second was answered after %v, want 10s", waits.took)
		}
	})
}

// TestQueueDeadlineDoesNotOutlastTheOther: the earlier of the two ends a wait, and only one of them a run.
func TestQueueDeadlineDoesNotOutlastTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, Config{MaxBatchSize: 1}, lasting(5*time.Second))
		r := due(1, 2*time.Second)
		r.QueueDeadline = time.Now().Add(time.Second)
		cut := send(t.Context(), s, r)
		wantTimeout(t, cut, 2*time.Second)
	})
}
