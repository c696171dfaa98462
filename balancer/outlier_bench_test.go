package balancer

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkJudgeUnevenTimes is BenchmarkJudge at its worst: times vary by orders of magnitude, so that many nodes look slow.
func BenchmarkJudgeUnevenTimes(b *testing.B) {
	for _, nodes := range []int{16, 1000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			s := newRig(b, equal(LeastLoad, nodes), 8, about(5*time.Millisecond, 1.5))
			s.play(50*float64(nodes), 5*time.Second)
			b.ReportAllocs()
			for b.Loop() {
				s.model.judgeAt.Store(0)
				s.model.judge(s.now)
			}
		})
	}
}
