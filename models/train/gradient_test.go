package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// lossAndGradient runs net on the examples without moving it.
func lossAndGradient[X any](net network[X], data []example[X]) (float64, gradient) {
	net.prepare()
	s := &shard[X]{worker: net.worker(), g: newGradient(net.params())}
	sum := newGradient(net.params())
	for i := range data {
		s.run(0, []int{i}, data)
		sum.add(s.g)
	}
	return s.loss, sum
}

// checkGradient compares a few slopes of each parameter with the difference that
// moving it makes: a mistake in a backward pass trains, only worse, and nothing
// else would tell.
func checkGradient[X any](t *testing.T, name string, net network[X], data []example[X]) {
	t.Helper()
	const nudge = 1e-3 // too small to change which pixels win, large beside float32's rounding
	r := rand.New(rand.NewPCG(9, 9))
	_, g := lossAndGradient(net, data)
	for i, p := range net.params() {
		for range 6 {
			j := r.IntN(len(p.w))
			before := p.w[j]
			p.w[j] = before + nudge
			up, _ := lossAndGradient(net, data)
			p.w[j] = before - nudge
			down, _ := lossAndGradient(net, data)
			p.w[j] = before
			want := (up - down) / (2 * nudge)
			if got := float64(g[i][j]); math.Abs(got-want) > 0.02+0.05*math.Abs(want) {
				t.Errorf("%s: parameter %d[%d] has slope %.4f, moving it says %.4f", name, i, j, got, want)
			}
		}
	}
}

func TestGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	flowers, err := parseIris(irisRows)
	if err != nil {
		t.Fatal(err)
	}
	checkGradient(t, "iris", newIrisNet(r, flowers), flowers[45:55])
	checkGradient(t, "fashion", newFashionNet(r), noise(r, 2))
	checkGradient(t, "langid", newLangNet(r), []example[text]{{text("where is the station?"), 0}, {text("où est la gare ?"), 1}})
}

// noise is n pictures of random dots.
func noise(r *rand.Rand, n int) []example[picture] {
	data := make([]example[picture], n)
	for i := range data {
		x := make(picture, pictureSide*pictureSide)
		for j := range x {
			x[j] = r.Float32()
		}
		data[i] = example[picture]{x, i % len(fashionGarments())}
	}
	return data
}

func TestTrainingDoesNotDependOnProcessors(t *testing.T) {
	trained := func(procs int) *fashionNet {
		r := rand.New(rand.NewPCG(8, 8))
		net, data := newFashionNet(r), noise(r, 40)
		plan := schedule{seed: 1, epochs: 2, batch: 20, rate: 0.01, decay: 0.9}
		withProcs(t, procs, func() {
			err := fit(t.Context(), net, plan, func(int) []example[picture] { return data }, func(int, string) {})
			if err != nil {
				t.Fatal(err)
			}
		})
		return net
	}
	one, four := trained(1), trained(4)
	for i, p := range one.params() {
		for j, v := range p.w {
			if other := four.params()[i].w[j]; v != other {
				t.Fatalf("parameter %d[%d] is %v on one processor and %v on four", i, j, v, other)
			}
		}
	}
}

func TestExpIsFarCloserThanFloat32Needs(t *testing.T) {
	for x := -80.0; x <= 2; x += 0.01 {
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-13*want {
			t.Fatalf("exp(%v) is %v, want %v", x, got, want)
		}
	}
}
