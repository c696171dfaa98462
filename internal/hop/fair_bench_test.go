package hop

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkSmallBesideBulk is one caller with small requests while others send bodies of 64 MiB over the same connection.
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
			var x Exchange
			post(&x, smallRequest)
			var took []time.Duration
			began := time.Now()
			for b.Loop() {
				at := time.Now()
				if err := c.Do(&x); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(at))
			}
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
