package scheduler

import (
	"math"
	"time"
)

// Forecast learns how long runs take by how many rows they have: so much for any run, and so much for each row. Gateways choose by
// it the node whose run ends first. The zero value knows nothing yet. It is not safe for concurrent use.
type Forecast struct {
	// Sums over the runs there have been, each of which counts for less with every one that follows.
	runs, rows, took, rowsRows, rowsTook float64
}

const (
	// forecastMemory is how many runs a forecast is about. Sixteen are few enough to follow a device that is throttled or shared within
	// a second or two, and enough for chance not to matter: runs of one size differ by some hundredths.
	forecastMemory = 16
	// forecastSpread is how much the rows of runs must differ, as a variance, for the price of a row to be known. Where nearly all runs
	// are alike, what differs between them is chance.
	forecastSpread = 0.25
)

// Ran takes in a run.
func (f *Forecast) Ran(rows int, took time.Duration) {
	const keep = 1 - 1.0/forecastMemory
	n, t := float64(rows), float64(took)
	f.runs = f.runs*keep + 1
	f.rows = f.rows*keep + n
	f.took = f.took*keep + t
	f.rowsRows = f.rowsRows*keep + n*n
	f.rowsTook = f.rowsTook*keep + n*t
}

// Takes is how long a run of so many rows should take, 0 if nothing is known. It is never less than a part of what runs have taken
// that its rows are of theirs, and more rows never take less time.
func (f *Forecast) Takes(rows int) time.Duration {
	if f.runs == 0 {
		return 0
	}
	meanRows, meanTook := f.rows/f.runs, f.took/f.runs
	spread := f.rowsRows/f.runs - meanRows*meanRows
	each := 0.0
	if spread > forecastSpread {
		each = (f.rowsTook/f.runs - meanRows*meanTook) / spread
	}
	each = min(max(each, 0), meanTook/meanRows) // the rest is what any run takes, and not below 0
	return time.Duration(math.Round(meanTook + each*(float64(rows)-meanRows)))
}

// learn takes in a run that has ended. One that failed says nothing of the next.
func (s *Scheduler) learn(b *batch, err error, now time.Duration) {
	if err != nil {
		return
	}
	s.forecast.Ran(b.weight, now-b.began)
	s.load.fullRun.Store(int64(s.forecast.Takes(s.LargestRun())))
}

// foresee notes when a batch should have run that begins now.
func (s *Scheduler) foresee(b *batch, now time.Duration) {
	b.instance.until.Store(int64(now + s.forecast.Takes(b.weight)))
}

// LargestRun is the most rows that a run has.
func (s *Scheduler) LargestRun() int { return max(s.cfg.MaxBatchSize, 1) }

// expectedWait is Stats.Wait. A run that takes longer than foreseen should end any moment.
func (s *Scheduler) expectedWait() time.Duration {
	queued := s.load.rows.Load()
	if queued == 0 && s.load.busy.Load() < int64(len(s.instances)) {
		return 0
	}
	first := int64(math.MaxInt64)
	for _, in := range s.instances {
		first = min(first, in.until.Load())
	}
	ahead := queued / int64(s.LargestRun()) * s.load.fullRun.Load() / int64(len(s.instances))
	return max(0, time.Duration(first)-s.now()) + time.Duration(ahead)
}
