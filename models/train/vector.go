package main

import "math"

// Go may fuse x*y + z into one instruction with a single rounding where the
// processor has it, as on arm64, and math.Exp does so on amd64. Training repeats
// a rounding difference a million times over until other weights come out, so
// every product here is rounded by an explicit conversion, which the language
// says prevents fusing, and exp is our own.

// axpy adds a*x to dst, which must be as long as x.
func axpy(dst []float32, a float32, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += float32(a * x[i])
	}
}

// dot is the inner product of two vectors of one length.
func dot(x, y []float32) float32 {
	y = y[:len(x)]
	var sum float32
	for i := range x {
		sum += float32(x[i] * y[i])
	}
	return sum
}

// add adds x to dst.
func add(dst, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}

// exp is e to the power of x, the same bits on every machine: x = k ln 2 + r,
// then the power series of r, whose 14th term is below the last bit of float64
// for |r| <= ln 2 / 2. What is lost in k ln 2 is far below float32's precision.
func exp(x float64) float64 {
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(k*math.Ln2)
	sum := 1.0
	for n := 13.0; n > 0; n-- {
		sum = 1 + float64(r*sum)/n
	}
	return math.Ldexp(sum, int(k))
}

// softmax turns scores into probabilities, in place.
func softmax(z []float32) {
	top := z[argmax(z)]
	var sum float64
	for i, v := range z {
		e := exp(float64(v - top))
		z[i] = float32(e)
		sum += e
	}
	for i, v := range z {
		z[i] = float32(float64(v) / sum)
	}
}

// argmax is the first index of the largest value.
func argmax(z []float32) int {
	best := 0
	for i, v := range z {
		if v > z[best] {
			best = i
		}
	}
	return best
}

// relu sets what is below 0 to 0.
func relu(x []float32) {
	for i, v := range x {
		x[i] = max(v, 0)
	}
}
