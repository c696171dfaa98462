package main

import (
	"math"
	"math/rand/v2"
)

// param is an array of weights with what Adam remembers of it.
type param struct {
	w    []float32
	mean []float32 // running mean of the gradient
	sq   []float32 // running mean of its square
}

// newParam draws n weights, uniformly around 0 with the given standard
// deviation. (Not normally distributed: math/rand's normal numbers come from
// functions whose last bit differs between machines.)
func newParam(r *rand.Rand, n int, deviation float64) *param {
	p := &param{w: make([]float32, n), mean: make([]float32, n), sq: make([]float32, n)}
	width := 2 * deviation * math.Sqrt(3)
	for i := range p.w {
		p.w[i] = float32(width * (r.Float64() - 0.5))
	}
	return p
}

// The constants of Adam's paper (Kingma and Ba, 2015).
const (
	adamMean    = 0.9
	adamSq      = 0.999
	adamEpsilon = 1e-8
)

// adam moves weights against their gradients.
type adam struct {
	meanPower, sqPower float64 // the constants to the power of the steps so far
}

func newAdam() *adam { return &adam{meanPower: 1, sqPower: 1} }

// step moves every parameter by the mean gradient of one batch.
func (a *adam) step(params []*param, g gradient, rate float64) {
	a.meanPower *= adamMean
	a.sqPower *= adamSq
	meanScale, sqScale := 1-a.meanPower, 1-a.sqPower // the running means began at 0
	for i, p := range params {
		for j, x := range g[i] {
			p.mean[j] = float32(adamMean*p.mean[j]) + float32((1-adamMean)*x)
			p.sq[j] = float32(adamSq*p.sq[j]) + float32((1-adamSq)*float32(x*x))
			spread := math.Sqrt(float64(p.sq[j])/sqScale) + adamEpsilon
			p.w[j] -= float32(rate * (float64(p.mean[j]) / meanScale) / spread)
		}
	}
}

// gradient is the slope of the loss, one slice for each param.
type gradient [][]float32

// newGradient is a zero gradient of the params' shape.
func newGradient(params []*param) gradient {
	g := make(gradient, len(params))
	for i, p := range params {
		g[i] = make([]float32, len(p.w))
	}
	return g
}

// reset makes g zero.
func (g gradient) reset() {
	for _, x := range g {
		clear(x)
	}
}

// add adds another gradient to g.
func (g gradient) add(other gradient) {
	for i, x := range g {
		add(x, other[i])
	}
}

// scale multiplies g by a.
func (g gradient) scale(a float32) {
	for _, x := range g {
		for i := range x {
			x[i] *= a
		}
	}
}
