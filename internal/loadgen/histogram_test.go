package loadgen

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsFollowEachOther(t *testing.T) {
	for i := range buckets - 1 {
		if lowest(i+1) <= lowest(i) {
			t.Fatalf("bucket %d begins at %d, the next at %d", i, lowest(i), lowest(i+1))
		}
		if got := bucketOf(lowest(i)); got != i {
			t.Fatalf("%d ns falls into bucket %d, want %d", lowest(i), got, i)
		}
		if got := bucketOf(lowest(i+1) - 1); got != i {
			t.Fatalf("%d ns falls into bucket %d, want %d", lowest(i+1)-1, got, i)
		}
	}
	if bucketOf(math.MaxInt64) != buckets-1 || bucketOf(-1) != 0 {
		t.Error("extremes fall outside")
	}
}

func TestQuantilesAreNearTheTruth(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var h, half histogram
	var all []time.Duration
	for i := range 20000 {
		d := time.Duration(math.Exp(random.Float64() * 23)) // 1 ns to 10 s
		all = append(all, d)
		if i%2 == 0 {
			half.add(d)
		} else {
			h.add(d)
		}
	}
	h.merge(&half)
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*(1+1.0/subBuckets)+1 {
			t.Errorf("quantile %g is %d, want %d and at most 1.6 %% more", q, got, want)
		}
	}
	if h.max != all[len(all)-1] || h.total != 20000 {
		t.Errorf("max %d of %d", h.max, h.total)
	}
}

func TestBarsHoldEverything(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{5, 100, 100, time.Millisecond, 3 * time.Second} {
		h.add(d)
	}
	bars := h.bars(16)
	var n uint64
	for i, b := range bars {
		n += b.Count
		if i > 0 && b.From != bars[i-1].To {
			t.Errorf("a gap between %d and %d", bars[i-1].To, b.From)
		}
	}
	if n != 5 || len(bars) > 16 || bars[0].From > 5 || bars[len(bars)-1].To < 3*time.Second {
		t.Errorf("%d of 5 in %+v", n, bars)
	}
	if new(histogram).bars(16) != nil {
		t.Error("bars of nothing")
	}
}
