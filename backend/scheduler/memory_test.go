package scheduler

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestBufferGivesUpWhatItDoesNotNeed(t *testing.T) {
	memory := &countedMemory{}
	var b buffer
	b.take(memory, 10<<20)
	for range 2 * shrinkAfter {
		if got := b.take(memory, 1000); len(got) != 1000 || cap(got) != 1000 {
			t.Fatalf("take gave %d of %d bytes, want 1000", len(got), cap(got))
		}
	}
	if len(b.data) > 2000 {
		t.Errorf("%d bytes are kept for 1000", len(b.data))
	}
	b.take(memory, 10<<20)
	for range 4 * shrinkAfter {
		b.take(memory, 9<<20)
	}
	if len(b.data) < 10<<20 {
		t.Error("a buffer that is needed was given up")
	}
	b.free(memory)
	if memory.live.Load() != 0 {
		t.Errorf("%d buffers were not given back", memory.live.Load())
	}
}

// TestSpareBatchesAreBounded has answers outlive their runs by far.
func TestSpareBatchesAreBounded(t *testing.T) {
	memory := &countedMemory{}
	pool := newBatches(memory, 1)
	for _, c := range []struct{ size, want int }{{1 << 20, 12}, {1, spareBatches}} { // 12: with a quarter to grow, 16 MiB are full
		var out []*batch
		for range 1000 {
			b := pool.take()
			b.results.Add("y", 2, nil, c.size)
			out = append(out, b)
		}
		for _, b := range out {
			pool.put(b)
		}
		if len(pool.spare) < c.want || len(pool.spare) > c.want+2 {
			t.Errorf("%d batches of %d bytes are kept, want %d", len(pool.spare), c.size, c.want)
		}
		for len(pool.spare) > 0 { // begin anew
			pool.take().results.free()
		}
	}
	out := pool.take()
	out.results.Add("y", 2, nil, 1)
	pool.close()
	pool.put(out)
	if len(pool.spare) != 0 || memory.live.Load() != 0 || pool.kept != 0 {
		t.Errorf("after close %d batches, %d buffers and %d bytes are kept", len(pool.spare), memory.live.Load(), pool.kept)
	}
}

func TestHeapIsInOrder(t *testing.T) {
	var h heap[*Request]
	random := rand.New(rand.NewPCG(1, 2))
	var in []*Request
	for range 2000 {
		switch i := random.IntN(max(len(in), 1)); {
		case len(in) == 0 || random.IntN(5) < 3:
			r := &Request{admitted: admitted{deadline: time.Duration(random.IntN(100))}, queued: queued{due: -1}}
			h.push(r)
			in = append(in, r)
		case random.IntN(2) == 0:
			in[i].deadline = time.Duration(random.IntN(100))
			h.moved(in[i])
		default:
			h.remove(in[i])
			if in[i].due != -1 {
				t.Fatal("a member that was removed thinks it is there")
			}
			in = slices.Delete(in, i, i+1)
		}
		if len(in) != len(h.items) {
			t.Fatalf("%d members, want %d", len(h.items), len(in))
		}
		for _, r := range in {
			if h.items[r.due] != r || r.deadline < h.first().deadline {
				t.Fatal("a member is not where it should be")
			}
		}
	}
}

// TestStopReachesARunOnlyInside checks what a Stopper relies on.
func TestStopReachesARunOnlyInside(t *testing.T) {
	stops := &countStops{}
	c := (&runContext{stopper: stops}).renewed()
	c.stop()
	if c.enter() {
		t.Error("a run that was stopped before is begun")
	}
	if c.Err() == nil {
		t.Error("the context has not ended")
	}
	<-c.Done()
	ended := c
	c = c.renewed()
	if ended.Err() == nil {
		t.Error("the context that has ended lives again")
	}
	if c.Err() != nil || !c.enter() {
		t.Error("the next run's context has ended before it began")
	}
	c.stop()
	c.stop()
	c.leave()
	c = c.renewed()
	c.enter()
	c.leave()
	c.stop()
	if stops.n.Load() != 1 {
		t.Errorf("Stop was called %d times, want once", stops.n.Load())
	}
}

type countStops struct{ n atomic.Int32 }

func (s *countStops) Stop() { s.n.Add(1) }
