package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ganglion/internal/oip"
)

// Cell is one combination of a sweep: so many clients, each of which sends requests of so many rows one after the other.
type Cell struct {
	Rows       int64   `json:"rows"`
	Clients    int     `json:"clients"`
	Requests   int     `json:"requests"`
	RowsPerSec float64 `json:"rows_per_second"`
	P50Ms      float64 `json:"p50_ms"`
	P95Ms      float64 `json:"p95_ms"`
	P99Ms      float64 `json:"p99_ms"`
	OverBudget bool    `json:"over_budget"`
	Problem    string  `json:"problem,omitempty"` // why it was not measured to its end
}

const (
	// leastCell is how long a cell is measured at the least: below it a few scheduling hiccups of the system are the result.
	leastCell = 50 * time.Millisecond

	// mostLatencies bounds what a client remembers of a cell. A million requests a second for a minute would be 512 MiB.
	mostLatencies = 1 << 16

	// patience is how many times the length of a cell one request may take: a combination that slow is told, and larger ones
	// are left out.
	patience = 4
)

// sweep measures the model with all combinations of rows and clients.
func (c *checker) sweep(ctx context.Context, cases []testCase) {
	sample, ok := c.sample(cases)
	if !ok {
		return
	}
	batches, clients := c.batches(&sample), slices.Clone(c.o.Clients)
	slices.Sort(clients)
	each := max(c.o.Duration/time.Duration(max(len(batches)*len(clients), 1)), leastCell)
	slow := time.Duration(0) // how long a request of one client took with the rows before
	for i, rows := range batches {
		if slow > patience*each {
			c.note("requests of %d rows and more were not measured: smaller ones took %s", rows, slow.Round(time.Millisecond))
			break
		}
		for j, n := range clients {
			c.progress(float64(i*len(clients)+j)/float64(len(batches)*len(clients)),
				fmt.Sprintf("%s: %d clients with %d rows", c.model.Name, n, rows))
			cell := c.cell(ctx, &sample, rows, n, each)
			if ctx.Err() != nil {
				return
			}
			c.model.Sweep = append(c.model.Sweep, cell)
			if cell.Problem != "" && c.model.Data == madeUp && len(c.model.Sweep) == 1 {
				c.model.Sweep = []Cell{}
				c.unmeasured(fmt.Sprintf("it refuses what was made up to measure with, %s: put test data beside it (%s)", madeUp, cell.Problem))
				return
			}
			if cell.Problem != "" {
				c.problem("%d clients with %d rows: %s", n, rows, cell.Problem)
				return // it would only be said again
			}
			slow = time.Duration(cell.P50Ms * float64(time.Millisecond))
			if slow > patience*each {
				break
			}
		}
	}
	if c.model.Data == madeUp {
		c.note("it was measured with zeros, in the sizes of its warm-up request or else 1 where they vary: real data may take longer")
	}
	c.judge()
}

// unmeasured says why there is no measurement, without which nobody knows of a model whether it keeps the budget.
func (c *checker) unmeasured(why string) {
	if c.o.Budget > 0 {
		c.problem("it was not measured, and the budget is %s: %s", c.o.Budget, why)
		return
	}
	c.note("it was not measured: %s", why)
}

// madeUp is what is measured with where there is no test data.
const madeUp = "zeros"

// sample is what is measured with: the first test that passed, or else zeros, with the sizes of the first warm-up request for
// what varies, or 1.
func (c *checker) sample(cases []testCase) (sample testCase, ok bool) {
	for i := range cases {
		if c.model.Tests[i].Pass {
			c.model.Data = cases[i].name
			return cases[i], true
		}
	}
	c.model.Data = madeUp
	for _, meta := range c.meta.Inputs {
		t := oip.Tensor{Name: meta.Name, Datatype: meta.Datatype, Shape: slices.Clone(meta.Shape)}
		c.settle(&t)
		count, err := oip.ElementCount(t.Shape)
		size := int64(max(t.Datatype.Size(), 4)) // an empty text is its length, of four bytes
		if err != nil || count > largestSample/size {
			c.unmeasured(fmt.Sprintf("input %q of zeros would have more than %d bytes", meta.Name, largestSample))
			return sample, false
		}
		if t.Datatype != oip.Bytes {
			size = int64(t.Datatype.Size())
		}
		t.Data = make([]byte, count*size)
		sample.inputs = append(sample.inputs, t)
	}
	return sample, true
}

// settle gives the sizes of a made-up tensor that vary: those behind the batch as the first warm-up request has them.
func (c *checker) settle(t *oip.Tensor) {
	var warm []int64
	if len(c.config.Warmup) > 0 {
		warm = c.config.Warmup[0].Inputs[t.Name].Dims
	}
	for i, size := range t.Shape {
		if size >= 0 {
			continue
		}
		t.Shape[i] = 1
		if at := i - (len(t.Shape) - len(warm)); len(warm) > 0 && at >= 0 && warm[at] > 0 {
			t.Shape[i] = warm[at]
		}
	}
}

// largestSample bounds what is made up to measure with, in bytes of an input.
const largestSample = 256 << 20

// batches are the numbers of rows to measure: what the options say as far as the model takes them, or powers of four.
func (c *checker) batches(sample *testCase) []int64 {
	most := int64(c.config.MaxBatchSize)
	if most == 0 {
		return []int64{0} // as it comes
	}
	if !sameFirst(sample.inputs) {
		c.note("requests were measured as the test data has them: its inputs do not have the same number of rows")
		return []int64{0}
	}
	var batches []int64
	for _, rows := range c.o.Batches {
		if rows <= most {
			batches = append(batches, rows)
		}
	}
	if len(c.o.Batches) > 0 && len(batches) > 0 {
		slices.Sort(batches)
		return batches
	}
	for rows := int64(1); rows < most; rows *= 4 {
		batches = append(batches, rows)
	}
	return append(batches, most)
}

// sameFirst reports whether all inputs have as many rows, and some.
func sameFirst(inputs []oip.Tensor) bool {
	for i := range inputs {
		if len(inputs[i].Shape) == 0 || inputs[i].Shape[0] < 1 || inputs[i].Shape[0] != inputs[0].Shape[0] {
			return false
		}
	}
	return len(inputs) > 0
}

// cell measures one combination.
func (c *checker) cell(ctx context.Context, sample *testCase, rows int64, clients int, each time.Duration) Cell {
	cell := Cell{Rows: rows, Clients: clients}
	inputs := sample.inputs
	if rows > 0 {
		inputs = make([]oip.Tensor, len(sample.inputs))
		for i := range inputs {
			inputs[i] = withRows(&sample.inputs[i], rows)
		}
	}
	cell.Rows = max(rows, 1)
	r := testCase{inputs: inputs, outputs: sample.outputs}
	first := r.request()
	if err := c.infer(ctx, &first, nil); err != nil { // warms up, too
		cell.Problem = err.Error()
		return cell
	}
	latencies, took, err := c.load(ctx, &r, clients, each)
	if err != nil {
		cell.Problem = err.Error()
	}
	cell.Requests = len(latencies)
	if len(latencies) == 0 {
		return cell
	}
	slices.Sort(latencies)
	cell.RowsPerSec = float64(cell.Rows) * float64(len(latencies)) / took.Seconds()
	cell.P50Ms, cell.P95Ms, cell.P99Ms = quantile(latencies, 0.50), quantile(latencies, 0.95), quantile(latencies, 0.99)
	cell.OverBudget = c.o.Budget > 0 && cell.P99Ms > milliseconds(c.o.Budget)
	return cell
}

// withRows repeats rows of a tensor until there are so many.
func withRows(t *oip.Tensor, rows int64) oip.Tensor {
	made := *t
	made.Shape = slices.Clone(t.Shape)
	made.Shape[0] = rows
	if t.Datatype == oip.Bytes {
		made.Data = repeatTexts(t, rows)
		return made
	}
	row := int64(len(t.Data)) / t.Shape[0]
	made.Data = make([]byte, 0, row*rows)
	for int64(len(made.Data)) < row*rows {
		made.Data = append(made.Data, t.Data[:min(int64(len(t.Data)), row*rows-int64(len(made.Data)))]...)
		if row == 0 {
			break
		}
	}
	return made
}

func repeatTexts(t *oip.Tensor, rows int64) []byte {
	texts := slices.Collect(oip.BytesElements(t.Data))
	perRow := int64(len(texts)) / t.Shape[0]
	var data []byte
	for i := range perRow * rows {
		data = oip.AppendBytesElement(data, texts[i%int64(len(texts))])
	}
	return data
}

// load has clients ask for a while, and returns how long each request took.
func (c *checker) load(ctx context.Context, r *testCase, clients int, each time.Duration) (latencies []time.Duration, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, each+time.Minute) // should a run not end
	defer cancel()
	var (
		mu   sync.Mutex // guards the results
		errs error
		wg   sync.WaitGroup
	)
	began := time.Now()
	for range clients {
		wg.Go(func() {
			mine := make([]time.Duration, 0, 1024)
			var failed error
			for start := began; failed == nil && (start.Sub(began) < each || len(mine) == 0) && len(mine) < mostLatencies; {
				request := r.request()
				failed = c.infer(ctx, &request, nil)
				now := time.Now()
				if failed == nil {
					mine = append(mine, now.Sub(start))
				}
				start = now
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, mine...)
			if errs == nil {
				errs = failed
			}
		})
	}
	wg.Wait()
	if errors.Is(errs, context.DeadlineExceeded) {
		errs = fmt.Errorf("a request took longer than %s", each+time.Minute)
	}
	return latencies, time.Since(began), errs
}

// quantile is the value that so much of a sorted list is at most, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	i := int(q * float64(len(sorted)))
	return milliseconds(sorted[min(i, len(sorted)-1)])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
