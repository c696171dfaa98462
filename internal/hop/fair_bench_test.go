package hop

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkSmallBesideBulk is a small request every millisecond while others send bodies of 40 MiB over the same connection.
func BenchmarkSmallBesideBulk(b *testing.B) {
	for _, bulks := range []int{0, 1, 4} {
		b.Run(fmt.Sprintf("bulks=%d", bulks), func(b *testing.B) {
			addr, _ := node(b, "hop")
			c := dialBench(b, addr)
			stop := make(chan struct{})
			done := make(chan int, bulks)
			body := make([]byte, 40<<20)
			for range bulks {
				go func() {
					var x Exchange
					post(&x, body)
					n := 0
					for {
						select {
						case <-stop:
							done <- n
							return
						default:
						}
						if err := c.Do(&x); err != nil {
							b.Error(err)
						}
						n++
					}
				}()
			}
			took := make([]time.Duration, b.N)
			var waiting sync.WaitGroup
			began := time.Now()
			b.ResetTimer()
			for i := range took { // open loop: one a millisecond, whatever became of those before
				due := began.Add(time.Duration(i) * time.Millisecond)
				time.Sleep(time.Until(due))
				waiting.Go(func() {
					var x Exchange
					if err := c.Do(post(&x, smallRequest)); err != nil {
						b.Error(err)
					}
					took[i] = time.Since(due)
				})
			}
			waiting.Wait()
			spent := time.Since(began)
			close(stop)
			sent := 0
			for range bulks {
				sent += <-done
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
			b.ReportMetric(float64(sent*40)/spent.Seconds(), "MiB/s")
		})
	}
}
