package scheduler

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func TestForecastFindsWhatARunAndWhatARowTakes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var f Forecast
	if got := f.Takes(3); got != 0 {
		t.Errorf("before any run: %v, want 0", got)
	}
	for range 200 {
		rows := 1 + r.IntN(16)
		exact := 4*time.Millisecond + time.Duration(rows)*time.Millisecond/2
		f.Ran(rows, time.Duration(float64(exact)*(0.97+0.06*r.Float64())))
	}
	for _, rows := range []int{1, 8, 16} {
		want := 4*time.Millisecond + time.Duration(rows)*time.Millisecond/2
		if got := f.Takes(rows); got < want*93/100 || got > want*107/100 {
			t.Errorf("%d rows: %v, want about %v", rows, got, want)
		}
	}
}

func TestForecastFollowsADeviceThatBecomesSlow(t *testing.T) {
	var f Forecast
	for range 100 {
		f.Ran(4, 8*time.Millisecond)
	}
	if got := f.Takes(4); got != 8*time.Millisecond {
		t.Errorf("got %v, want what all runs took", got)
	}
	for range 3 * forecastMemory {
		f.Ran(4, 80*time.Millisecond)
	}
	if got := f.Takes(4); got < 70*time.Millisecond {
		t.Errorf("after %d runs of 80 ms: %v", 3*forecastMemory, got)
	}
}

// TestForecastIsSane: whatever runs were like, a forecast is not negative, and more rows never take less time.
func TestForecastIsSane(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var f Forecast
		for range 1 + r.IntN(40) {
			f.Ran(1+r.IntN(64), time.Duration(r.ExpFloat64()*float64(10*time.Millisecond)))
		}
		last := time.Duration(0)
		for rows := range 130 {
			took := f.Takes(rows)
			if took < last {
				t.Fatalf("%d rows take %v, one less %v", rows, took, last)
			}
			last = took
		}
	}
}

// TestWaitIsUntilTheNextRunWithRoom asks a scheduler whose runs take 10 ms how long a request would wait.
func TestWaitIsUntilTheNextRunWithRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const run = 10 * time.Millisecond
		s := newScheduler(t, Config{MaxBatchSize: 4}, lasting(run))
		want := func(when string, want time.Duration) {
			t.Helper()
			if got := s.Stats().Wait.Round(time.Microsecond); got != want {
				t.Errorf("%s: a request would wait for %v, want %v", when, got, want)
			}
		}
		for range 3 {
			send(t.Context(), s, one(0)).wantEcho(t)
		}
		want("while nothing runs", 0)
		calls := []*call{send(t.Context(), s, one(0))}
		synctest.Wait()
		want("at the beginning of a run", run)
		time.Sleep(7 * time.Millisecond)
		want("towards its end", 3*time.Millisecond)
		for range 3 {
			calls = append(calls, send(t.Context(), s, one(0)))
		}
		synctest.Wait()
		want("with room in the next run", 3*time.Millisecond)
		calls = append(calls, send(t.Context(), s, one(0)))
		synctest.Wait()
		want("when the next run is full", 3*time.Millisecond+run)
		for _, c := range calls {
			c.wantEcho(t)
		}
		want("when all is done", 0)
	})
}
