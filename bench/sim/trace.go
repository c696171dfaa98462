package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// request is what a client sends, drawn before anything is simulated, so that all policies get the same.
type request struct {
	at      time.Duration // when it comes to its gateway
	work    time.Duration // what it takes on a node of speed 1, beside what a whole run takes
	key     uint64        // the same for requests that should meet the same node
	subject int32         // which of the scenario's subjects the key belongs to
	gateway int32
}

// spread says how much the work of requests differs.
type spread uint8

const (
	// alike is what inputs of one shape are like: within a quarter of the mean (log-normal, the standard deviation is a
	// quarter of the mean), since a GPU or CPU that does the same again is not always equally quick.
	alike spread = iota
	// constant work is for comparing with theory.
	constant
	// exponential work differs as texts and images of any length do: one in a hundred takes 4.6 times the mean.
	exponential
)

// draw is one request's work.
func (s spread) draw(r *rand.Rand, mean time.Duration) time.Duration {
	factor := 1.0
	switch s {
	case constant:
	case exponential:
		factor = r.ExpFloat64()
	case alike:
		const variation = 0.25
		variance := math.Log1p(variation * variation) // of the logarithm
		factor = math.Exp(r.NormFloat64()*math.Sqrt(variance) - variance/2)
	}
	return max(1, time.Duration(factor*float64(mean)))
}

// subjects is how many different keys there are, and popularity and flatness describe Zipf's law, by which some are asked for
// more often than others: the most popular gets one request in 70, which one node of 64 can just carry.
const (
	subjects   = 10_000
	popularity = 1.01
	flatness   = 10.0
)

// draw makes the requests of a scenario.
func (s *scenario) draw(seed uint64, count int) []request {
	// Streams of their own keep a change of one from changing the others.
	arrivals, work := stream(seed, 1), stream(seed, 2)
	places, keys := stream(seed, 3), stream(seed, 4)
	zipf := rand.NewZipf(keys, popularity, flatness, subjects-1)
	requests := make([]request, count)
	at, rate := time.Duration(0), s.rate()
	for i := range requests {
		at = s.bursts.after(at, arrivals.ExpFloat64()/rate)
		subject := zipf.Uint64()
		requests[i] = request{
			at: at, work: s.spread.draw(work, s.model.work), gateway: int32(places.IntN(s.gateways)),
			subject: int32(subject), key: mix(subject + 1),
		}
	}
	return requests
}

func stream(seed, number uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, number)) }

// mix is the finaliser of MurmurHash3: keys come to the balancer as hashes.
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// bursts make the rate of arrivals alternate around its mean. The zero value is a steady rate.
type bursts struct {
	period, length time.Duration // every period begins with a burst of length
	high           float64       // the rate in bursts, as a multiple of the mean
}

// low is the rate between bursts, as a multiple of the mean, so that the mean is kept.
func (b bursts) low() float64 {
	part := float64(b.length) / float64(b.period)
	return (1 - part*b.high) / (1 - part)
}

// after is when the next request comes after one at the time at, if it would come after so many seconds at the mean rate.
func (b bursts) after(at time.Duration, seconds float64) time.Duration {
	left := seconds * float64(time.Second)
	if b.period == 0 {
		return at + time.Duration(left)
	}
	for {
		into := at % b.period
		rate, until := b.high, b.length-into
		if into >= b.length {
			rate, until = b.low(), b.period-into
		}
		if left <= rate*float64(until) {
			return at + time.Duration(left/rate)
		}
		left -= rate * float64(until)
		at += until
	}
}
