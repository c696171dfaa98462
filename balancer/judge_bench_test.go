package balancer

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkJudge is a look for outliers, of which a picker makes one every tenth of a second: it is a pause for a client.
func BenchmarkJudge(b *testing.B) {
	for _, nodes := range []int{16, 1000, 10_000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			p, h := timed(b, equal(LeastLoad, nodes))
			m := p.Know("m")
			rng := rand.New(rand.NewPCG(1, 1))
			serve := func() {
				for range 20 * nodes {
					lease, err := m.Pick(Ask{}, nil)
					if err != nil {
						b.Fatal(err)
					}
					h.advance(time.Duration(rng.ExpFloat64() * float64(time.Second/time.Duration(5*nodes))))
					lease.Done(Success)
				}
			}
			serve()
			b.ReportAllocs()
			for b.Loop() {
				h.advance(judgeEvery)
				m.judge(m.pool.now())
			}
		})
	}
}
