package balancer

import "math"

// certain is how unlikely chance must be before a node is called an outlier, as its negative logarithm: one in ten million.
// A pool of sixteen nodes is judged about half a million times an hour, most of the time on what it was judged on before;
// see TestEqualNodesAreNotEjected for what comes of it.
const certain = 16.12 // -ln 1e-7

// suspicious is the same for looking closer, which costs a few requests: one in five hundred.
const suspicious = 6.21 // -ln 1/500

// surpriseOfSum is how unlikely it is by chance that surprises of n requests come to sum or more, as a negative logarithm. The
// surprise of a request is that of its rank: -ln of the part of the others' requests that took as long. By chance, those are
// distributed exponentially, and their sum is a gamma distribution's (Fisher's method of combining tests).
func surpriseOfSum(n int, sum float64) float64 {
	if n == 0 || sum <= float64(n) {
		return 0
	}
	// P(sum) = e^-sum · (1 + sum + sum²/2! + … + sum^(n-1)/(n-1)!), from the largest term down so that nothing overflows.
	term, series := 1.0, 1.0
	for j := n - 1; j > 0; j-- {
		term *= float64(j) / sum
		series += term
	}
	largest, _ := math.Lgamma(float64(n)) // ln (n-1)!
	return sum + largest - float64(n-1)*math.Log(sum) - math.Log(series)
}

// surpriseOfRank is that of a request that so many of n others were as slow as. It counts itself among them: nothing is more
// surprising than one in n + 1.
func surpriseOfRank(asSlow, n int) float64 { return math.Log(float64(n+1) / float64(asSlow+1)) }

// surpriseOfFailures is at least how unlikely it is, as a negative logarithm, that so many of n requests fail when each does with
// the given probability (Chernoff's bound).
func surpriseOfFailures(failed, n, probability float64) float64 {
	share := failed / n
	if n == 0 || share <= probability {
		return 0
	}
	surprise := share * math.Log(share/probability)
	if share < 1 {
		surprise += (1 - share) * math.Log((1-share)/(1-probability))
	}
	return n * surprise
}
