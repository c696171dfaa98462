package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"
)

// example is one input, and the class it belongs to.
type example[X any] struct {
	x     X
	class int
}

// network is a classifier that can be trained.
type network[X any] interface {
	// params are the weights, always in one order.
	params() []*param
	// prepare is called after the weights have changed, before they are used.
	prepare()
	// worker returns the memory that one goroutine needs to run the network.
	worker() worker[X]
}

// worker runs a network on one example at a time.
type worker[X any] interface {
	// forward returns the scores of the classes, valid until the next call.
	forward(x X) []float32
	// backward adds to g the gradient of the last forward pass, given the
	// slope of the loss at its scores.
	backward(x X, slope []float32, g gradient)
}

// schedule is how a network is trained.
type schedule struct {
	seed   uint64
	epochs int
	batch  int
	rate   float64 // of the first epoch
	decay  float64 // what the rate is multiplied by after each epoch
}

// shard is a part of a batch's work with its memory.
type shard[X any] struct {
	worker worker[X]
	g      gradient
	loss   float64
	right  int
}

// run does the shard's examples: every shards-th one from the first.
func (s *shard[X]) run(first int, batch []int, data []example[X]) {
	s.g.reset()
	for i := first; i < len(batch); i += shards {
		e := data[batch[i]]
		z := s.worker.forward(e.x)
		if argmax(z) == e.class {
			s.right++
		}
		softmax(z)
		s.loss -= math.Log(max(float64(z[e.class]), math.SmallestNonzeroFloat32))
		z[e.class]-- // the slope of the cross-entropy at the scores
		s.worker.backward(e.x, z, s.g)
	}
}

// fit trains net and calls report after each epoch with the line to print.
// Every epoch gets its examples from data.
func fit[X any](ctx context.Context, net network[X], s schedule, data func(epoch int) []example[X], report func(epoch int, line string)) error {
	r := rand.New(rand.NewPCG(s.seed, 0))
	parts := make([]*shard[X], shards)
	for i := range parts {
		parts[i] = &shard[X]{worker: net.worker(), g: newGradient(net.params())}
	}
	opt := newAdam()
	net.prepare()
	for epoch := 1; epoch <= s.epochs; epoch++ {
		examples := data(epoch)
		order := r.Perm(len(examples))
		for len(order) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(s.batch, len(order))
			batch(net, opt, s.rate, parts, order[:n], examples)
			order = order[n:]
		}
		s.rate *= s.decay
		loss, right := totals(parts)
		n := float64(len(examples))
		report(epoch, fmt.Sprintf("epoch %d/%d: loss %.4f, training accuracy %.2f %%", epoch, s.epochs, loss/n, 100*float64(right)/n))
	}
	return nil
}

// batch makes one step of training.
func batch[X any](net network[X], opt *adam, rate float64, parts []*shard[X], order []int, data []example[X]) {
	parallel(shards, func(i int) { parts[i].run(i, order, data) })
	sum := parts[0].g
	for _, p := range parts[1:] {
		sum.add(p.g)
	}
	sum.scale(1 / float32(len(order)))
	opt.step(net.params(), sum, rate)
	net.prepare()
}

// totals takes what the shards have counted.
func totals[X any](parts []*shard[X]) (loss float64, right int) {
	for _, p := range parts {
		loss += p.loss
		right += p.right
		p.loss, p.right = 0, 0
	}
	return loss, right
}

// correct counts the examples whose class gets the highest score.
func correct[X any](net network[X], data []example[X]) int {
	right := make([]int, shards)
	parallel(shards, func(part int) {
		w := net.worker()
		for i := part; i < len(data); i += shards {
			if argmax(w.forward(data[i].x)) == data[i].class {
				right[part]++
			}
		}
	})
	total := 0
	for _, n := range right {
		total += n
	}
	return total
}

// progress returns a report for fit that prints each line with how well net
// does on examples it has not seen, every so many epochs.
func progress[X any](w io.Writer, net network[X], every int, held []example[X]) func(epoch int, line string) {
	start := time.Now()
	return func(epoch int, line string) {
		if epoch%every == 0 {
			n := correct(net, held)
			fmt.Fprintf(w, "%s, held out %d of %d (%.2f %%), %s\n",
				line, n, len(held), 100*float64(n)/float64(len(held)), time.Since(start).Round(time.Millisecond))
		}
	}
}
