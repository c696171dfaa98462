package check

import (
	"fmt"
	"math"
	"time"
)

// Recommendation is how to configure a model on this machine, with the reason for each.
type Recommendation struct {
	MaxBatchSize  int     `json:"max_batch_size"`
	Instances     int     `json:"instances"`
	MaxQueueDelay string  `json:"max_queue_delay"` // as config.toml has it
	Reasons       Reasons `json:"reasons"`
}

// Reasons are one sentence each.
type Reasons struct {
	MaxBatchSize  string `json:"max_batch_size"`
	Instances     string `json:"instances"`
	MaxQueueDelay string `json:"max_queue_delay"`
}

// nearly is the share of the best throughput that is as good as the best: the measurements differ by as much from one time to
// the next, and what comes after it costs latency or memory.
const nearly = 0.95

// judge holds the sweep against the budget and makes a recommendation of it.
func (c *checker) judge() {
	m := &c.model
	single := c.cells(func(cell *Cell) bool { return cell.Clients == m.Sweep[0].Clients })
	if len(single) == 0 {
		return
	}
	if first := single[0]; first.OverBudget {
		c.problem("the p99 of %s is %s, and the budget %s", requestsOf(first), shown(first.P99Ms), c.o.Budget)
	}
	r := &Recommendation{}
	batch := c.batch(single, r)
	c.instances(batch, r)
	c.delay(r)
	m.Recommended = r
}

// cells are those that fit, in the order they were measured in.
func (c *checker) cells(fit func(*Cell) bool) []*Cell {
	var found []*Cell
	for i := range c.model.Sweep {
		if cell := &c.model.Sweep[i]; cell.Problem == "" && fit(cell) {
			found = append(found, cell)
		}
	}
	return found
}

// best is the cell within the budget with the most rows a second, or the first of all if none is within it.
func best(cells []*Cell) *Cell {
	found := cells[0]
	for _, cell := range cells[1:] {
		if !cell.OverBudget && (found.OverBudget || cell.RowsPerSec > found.RowsPerSec) {
			found = cell
		}
	}
	return found
}

// enough is the first cell within the budget that is nearly as good as top.
func enough(cells []*Cell, top *Cell) *Cell {
	for _, cell := range cells {
		if !cell.OverBudget && cell.RowsPerSec >= nearly*top.RowsPerSec {
			return cell
		}
	}
	return top
}

// batch recommends how many rows a run should take: as few as nearly reach the best throughput of one client.
func (c *checker) batch(single []*Cell, r *Recommendation) *Cell {
	if c.config.MaxBatchSize == 0 {
		r.Reasons.MaxBatchSize = "the model's requests are not batched"
		return single[0]
	}
	top := best(single)
	chosen := enough(single, top)
	r.MaxBatchSize = int(chosen.Rows)
	switch {
	case len(single) == 1:
		r.Reasons.MaxBatchSize = "nothing else was measured"
	case chosen == top && chosen.Rows == single[len(single)-1].Rows:
		r.Reasons.MaxBatchSize = fmt.Sprintf("the largest that was measured is the fastest: %s rows/s, and %s with %d", rate(chosen), rate(single[0]), single[0].Rows)
	case chosen == top:
		r.Reasons.MaxBatchSize = fmt.Sprintf("the fastest: %s rows/s, and %s with %d; a run takes %s", rate(top), rate(single[0]), single[0].Rows, shown(top.P50Ms))
	default:
		r.Reasons.MaxBatchSize = fmt.Sprintf("%s rows/s are %.0f %% of the best (%s with %d), and a run takes %s", rate(chosen), 100*chosen.RowsPerSec/top.RowsPerSec, rate(top), top.Rows, shown(chosen.P50Ms))
	}
	if top.Rows < single[len(single)-1].Rows && single[len(single)-1].OverBudget {
		r.Reasons.MaxBatchSize += "; larger ones are over the budget"
	}
	return chosen
}

// instances recommends how many runs there should be at once: as many as clients with full batches have gained from.
func (c *checker) instances(batch *Cell, r *Recommendation) {
	same := c.cells(func(cell *Cell) bool { return cell.Rows == batch.Rows })
	top := best(same)
	chosen := enough(same, top)
	now := 0
	for _, g := range c.config.InstanceGroups {
		now += int(g.Count) * max(len(g.GPUs), 1)
	}
	limit := max(c.o.Runs, now, 1)
	r.Instances = min(chosen.Clients, limit)
	switch {
	case len(same) == 1:
		r.Reasons.Instances = "nothing else was measured"
		r.Instances = max(now, 1)
	case chosen == same[0]:
		r.Reasons.Instances = fmt.Sprintf("%d clients at once get no more through than %d: %s and %s rows/s", same[len(same)-1].Clients, chosen.Clients, rate(same[len(same)-1]), rate(chosen))
	case chosen.Clients > limit:
		r.Reasons.Instances = fmt.Sprintf("%d clients at once get %.1f times as much through as %d, and there are places for %d runs", chosen.Clients, chosen.RowsPerSec/same[0].RowsPerSec, same[0].Clients, limit)
	default:
		r.Reasons.Instances = fmt.Sprintf("%d clients at once get %.1f times as much through as %d, and more get no more", chosen.Clients, chosen.RowsPerSec/same[0].RowsPerSec, same[0].Clients)
	}
}

// gathered is the share of the best throughput from which requests of one row are said to find together by themselves.
const gathered = 0.8

// delay recommends how long to wait for a batch to grow. It pays only where many small requests at once stay far below what
// large ones reach, because they run in batches that are too small.
func (c *checker) delay(r *Recommendation) {
	r.MaxQueueDelay = "0s"
	if r.MaxBatchSize <= 1 {
		r.Reasons.MaxQueueDelay = "there is no batch to wait for"
		return
	}
	last := c.model.Sweep[len(c.model.Sweep)-1].Clients
	small := c.cells(func(cell *Cell) bool { return cell.Rows == 1 && cell.Clients == last })
	full := c.cells(func(cell *Cell) bool { return cell.Rows == int64(r.MaxBatchSize) })
	if len(small) == 0 || len(full) == 0 {
		r.Reasons.MaxQueueDelay = "requests of one row were not measured"
		return
	}
	top := best(full)
	share := min(small[0].RowsPerSec/top.RowsPerSec, 1)
	if share >= gathered || last < 2*r.MaxBatchSize {
		r.Reasons.MaxQueueDelay = fmt.Sprintf("%d clients with one row each reach %.0f %% of what full batches do without one", last, 100*share)
		if share < gathered {
			r.Reasons.MaxQueueDelay += ": too few to fill a batch and have others wait, which a delay would not change"
		}
		return
	}
	// Half a run of a full batch: then a request waits for its run half as long again as it runs, at most.
	delay := time.Duration(full[0].P50Ms / 2 * float64(time.Millisecond))
	if c.o.Budget > 0 {
		delay = min(delay, c.o.Budget/10)
	}
	r.MaxQueueDelay = max(delay.Round(10*time.Microsecond), 10*time.Microsecond).String()
	r.Reasons.MaxQueueDelay = fmt.Sprintf("%d clients with one row each reach only %.0f %% of what full batches do: half a run (%s) lets batches fill", last, 100*share, shown(full[0].P50Ms))
}

func requestsOf(cell *Cell) string {
	if cell.Clients == 1 {
		return fmt.Sprintf("one client with %d rows", cell.Rows)
	}
	return fmt.Sprintf("%d clients with %d rows", cell.Clients, cell.Rows)
}

// rate is a number of rows with as many digits as mean something.
func rate(cell *Cell) string {
	n := cell.RowsPerSec
	if n <= 0 {
		return "0"
	}
	unit := math.Pow(10, max(math.Floor(math.Log10(n))-2, 0))
	return fmt.Sprintf("%.0f", math.Round(n/unit)*unit)
}

// shown is a time for people.
func shown(ms float64) string {
	switch {
	case ms < 1:
		return fmt.Sprintf("%.0f µs", 1000*ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", ms)
	}
}
