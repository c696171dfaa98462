package balancer

import "time"

// setback is how long something that failed is left alone: at first a while, each time in a row twice as long, up to a
// bound. It forgets by itself: for every time as long as the last one that passes in health, one doubling. It is arithmetic
// only; its owner brings the clock and the lock.
type setback struct {
	first, most time.Duration

	step  int           // times in a row, less those that are forgotten
	last  time.Duration // the time that was given last, before it was spread
	since time.Duration // when health began, by the owner's clock
}

// setbackSpread is how much longer a time may get at random, as a part of it. What fails together (the nodes of a host, the
// gateways in front of a node) comes back over a fifth of the time and not as one. It only lengthens: who says 2s wants 2s
// of peace at least.
const setbackSpread = 0.2

// next is the time to leave it alone from now on. random is any number.
func (s *setback) next(now time.Duration, random uint64) time.Duration {
	s.forgive(now)
	s.step++
	s.last = s.first
	for range s.step - 1 {
		if s.last *= 2; s.last >= s.most {
			s.last = max(s.first, s.most)
			s.step = min(s.step, setbackSteps)
			break
		}
	}
	s.since = noHealth
	return s.last + time.Duration(setbackSpread*float64(s.last)*float64(random>>11)/(1<<53))
}

// setbackSteps bounds what has to be forgotten again: 1024 times the first is longer than any bound that makes sense.
const setbackSteps = 11

// noHealth is the beginning of a health that has not begun.
const noHealth = time.Duration(-1)

// recovered notes that it works again.
func (s *setback) recovered(now time.Duration) { s.since = now }

// forgive forgets a doubling for every time in health that was as long as the last setback.
func (s *setback) forgive(now time.Duration) {
	if s.step == 0 || s.since == noHealth || s.last <= 0 {
		return
	}
	for s.step > 0 && now-s.since >= s.last {
		s.since += s.last
		s.step--
		s.last = max(s.first, s.last/2)
	}
}

// repeated reports whether it failed again before its earlier failures were forgotten.
func (s *setback) repeated(now time.Duration) bool {
	s.forgive(now)
	return s.step > 1
}
