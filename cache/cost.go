package cache

import "ganglion/internal/conf"

const (
	// entryCost is what one answer costs besides its bytes: the entry itself and its places in ristretto's maps (the
	// item, its cost, its expiry), just after these have grown and are half empty: 396 bytes at worst, by TestCost.
	entryCost = 400
	// queueCost is the channel in which ristretto queues 32768 items to be stored, and its 256 shards.
	queueCost = 300 << 10
	// usualAnswer is a guess at the mean cost of an answer: some numbers or a class, framed as JSON. It only decides how
	// many counters there are; if answers are larger there are more than needed, if smaller the estimates get coarser.
	usualAnswer = 2 << 10
	// countersPerAnswer is ristretto's advice: counters for ten times the answers that fit.
	countersPerAnswer = 10
	// counterCost is in bytes: four times four bits of the sketch and up to two bytes of the Bloom filter, both rounded
	// up to a power of two, so twice that at worst.
	counterCost = 8

	// shareOfAnswer is the part of the cache that one answer may take. A larger one would push out dozens of others and,
	// since what is kept is decided by how often and not by how much, would often come back.
	shareOfAnswer = 64
	// shareOfQueue is the part of the cache kept free for answers that wait to be stored. Ristretto does not count them,
	// and a queue of its length could hold gigabytes.
	shareOfQueue = 8
)

// counters is how many counters ristretto gets to estimate how often an answer is asked for.
func counters(size conf.Size) int64 { return max(1024, int64(size)/usualAnswer*countersPerAnswer) }

// fixedCost is what an empty cache takes.
func fixedCost(size conf.Size) int64 { return queueCost + counters(size)*counterCost }

// costOf is what an answer takes, with bodyCap the bytes allocated for its body.
func costOf(bodyCap, contentType int) int64 { return entryCost + int64(bodyCap) + int64(contentType) }
