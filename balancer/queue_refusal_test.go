package balancer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// refused is why the one of that name was not served.
func (l *line) refused(name string, want QueueReason) *QueueError {
	l.t.Helper()
	err, ok := errors.AsType[*QueueError](l.failure(name))
	if !ok || err.Reason != want || !errors.Is(err, ErrFull) {
		l.t.Errorf("%s: %v, want a refusal for %s", name, l.failure(name), want)
		return new(QueueError)
	}
	if err.RetryAfter < time.Second || err.RetryAfter > time.Minute {
		l.t.Errorf("%s: come back after %s, want a second or more, and not much more", name, err.RetryAfter)
	}
	return err
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := limited(1, 1)
		cfg.Queue.Max = 2
		l := newLine(t, cfg)
		l.join("a", new(Waiter), nil)
		l.join("b", new(Waiter), nil)
		l.join("c", new(Waiter), nil)
		l.refused("c", QueueFull)
		l.join("urgent", &Waiter{Priority: 1}, nil)
		l.refused("b", Displaced) // who came last of the worst
		l.join("as good as a", new(Waiter), nil)
		l.refused("as good as a", QueueFull)
		l.drain()
		l.want("urgent", "a")
		if q := l.pool.Queue(); q.Refused[QueueFull] != 2 || q.Refused[Displaced] != 1 {
			t.Errorf("refused: %v, want 2 for the full queue and 1 displaced", q.Refused)
		}
	})
}

func TestWithoutQueueFullNodesRefuseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := limited(1, 1)
		cfg.Queue.Max = 0
		l := newLine(t, cfg)
		l.join("a", new(Waiter), nil)
		l.refused("a", NoQueue)
		l.drain()
	})
}

func TestNobodyWaitsLongerThanTheQueueAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		w := new(Waiter)
		l.join("a", w, nil)
		advance(l.pool.cfg.Queue.Timeout - time.Millisecond)
		if l.failure("a") != nil {
			t.Fatalf("refused early: %v", l.failure("a"))
		}
		advance(time.Millisecond)
		if err := l.refused("a", TimedOut); err.Waited != time.Second || w.Waited != time.Second {
			t.Errorf("it waited %s and %s, want 1s", err.Waited, w.Waited)
		}
		if l.pool.queue.waiting.Load() != 0 {
			t.Error("it is still in the queue")
		}
		l.drain()
	})
}

func TestNobodyWaitsIntoItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		advance(100 * time.Millisecond)
		l.done("0") // attempts take 100 ms
		l.take("0")
		l.join("hopeless", &Waiter{Deadline: time.Now().Add(-time.Second)}, nil)
		l.refused("hopeless", TooLong)
		l.join("tight", &Waiter{Deadline: time.Now().Add(300 * time.Millisecond)}, nil)
		advance(200 * time.Millisecond)
		if err := l.refused("tight", TimedOut); err.Waited != 200*time.Millisecond {
			t.Errorf("it waited for %s, want 200ms: an attempt takes the rest of its time", err.Waited)
		}
		l.drain()
	})
}

// serveEvery ends an attempt every so often, and lets others come as fast as they are served.
func (l *line) serveEvery(pause time.Duration, times int) {
	for range times {
		advance(pause)
		for name := range l.leases {
			l.done(name)
			break
		}
	}
}

func TestWhoCannotBeServedInTimeIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			l.join(name, new(Waiter), nil)
		}
		l.serveEvery(100*time.Millisecond, 4) // ten a second
		l.want("a", "b", "c", "d")
		for _, name := range []string{"f", "g", "h"} {
			l.join(name, new(Waiter), nil)
		}
		// Four wait: the fifth will after half a second, and a margin.
		l.join("in a hurry", &Waiter{Deadline: time.Now().Add(400 * time.Millisecond)}, nil)
		if err := l.refused("in a hurry", TooLong); err.Expected < 500*time.Millisecond || err.Expected > 800*time.Millisecond || err.Waited != 0 {
			t.Errorf("expected to wait %s, after %s; want half a second and some at once", err.Expected, err.Waited)
		}
		l.join("patient", new(Waiter), nil)
		if l.failure("patient") != nil {
			t.Errorf("refused somebody who has the time: %v", l.failure("patient"))
		}
		l.join("one too many", &Waiter{Priority: 9}, nil)
		l.join("and another", new(Waiter), nil)
		l.join("and yet another", new(Waiter), nil)
		l.join("the last", new(Waiter), nil)
		l.join("and one more", new(Waiter), nil)
		l.refused("and one more", TooLong) // more than a second's worth
		l.join("urgent", &Waiter{Priority: 1}, nil)
		if l.failure("urgent") != nil {
			t.Errorf("refused somebody who goes before all others: %v", l.failure("urgent"))
		}
		l.drain()
	})
}

func TestStandingQueueIsKeptShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 4))
		longest := 0
		next := 0
		for i := range 300 { // 100 a second are served and 300 come
			for range 3 {
				next++
				l.join(time.Duration(next).String(), new(Waiter), nil)
			}
			l.serveEvery(10*time.Millisecond, 1)
			if i > 200 { // what had come in the first second is served by now
				longest = max(longest, int(l.pool.Queue().Waiting))
			}
		}
		if longest == 0 || longest > 12 {
			t.Errorf("%d waited after a second of overload, want some, but not more than a tenth of the second that they may", longest)
		}
		if got := len(l.served); got < 295 {
			t.Errorf("%d were served of 300 that could be", got)
		}
		l.drain()
	})
}

func TestWhoLeavesIsOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, limited(1, 1))
		var w Waiter
		l.join("gone", &w, nil)
		l.join("next", new(Waiter), nil)
		w.Leave()
		synctest.Wait()
		if err := l.failure("gone"); !errors.Is(err, ErrLeft) {
			t.Errorf("the one who left got %v, want ErrLeft", err)
		}
		l.join("again", &w, nil)
		if err := l.failure("again"); !errors.Is(err, ErrLeft) {
			t.Errorf("after it left it waits again: %v", err)
		}
		w.Reset()
		l.join("another", &w, nil)
		l.drain()
		l.want("next", "another")
	})
}
