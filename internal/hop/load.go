package hop

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
)

// Load is what a node says of itself, or of one model, with an answer.
type Load struct {
	Known    bool // false: the node does not say, and the rest is zero
	Queued   uint32
	InFlight uint32
	Wait     time.Duration // estimate for a request that comes now, before it is run; to the microsecond
	// Worked is how long ago it began what it began last; 0 = it runs nothing, or does not say. It does not travel with answers,
	// when something else has just begun.
	Worked time.Duration
	// Batch is, of a model that answered, the most rows of one run: requests that wait go together. 0 = it does not say, 255 = that or
	// more.
	Batch uint8
}

// Held is how many requests the node holds as conditions count them: all that runs is one. Whoever waits, waits for those that
// wait before him and for the next of those that run, however many they are.
func (l Load) Held() int64 { return int64(l.Queued) + int64(min(l.InFlight, 1)) }

// LoadHeader is the HTTP header that carries the same facts to whoever does not speak the hop, in the text form of ORCA.
const LoadHeader = "endpoint-load-metrics"

// The names under which a load travels in LoadHeader; those of the model have the prefix "model_".
const (
	loadQueued   = "queue_depth"
	loadInFlight = "in_flight"
	loadWait     = "wait_us"

	orcaText  = "TEXT "
	orcaNamed = "named_metrics."
	orcaModel = "model_"
)

// loadSize is what a load takes in a response's head: queued, in flight and the wait in µs, u32 each.
const loadSize = 12

func putLoad(dst []byte, l Load) {
	_ = dst[loadSize-1]
	if !l.Known {
		l = Load{}
	}
	binary.LittleEndian.PutUint32(dst[0:], l.Queued)
	binary.LittleEndian.PutUint32(dst[4:], l.InFlight)
	binary.LittleEndian.PutUint32(dst[8:], micros(l.Wait))
}

func readLoad(src []byte, known bool) Load {
	_ = src[loadSize-1]
	if !known {
		return Load{}
	}
	return Load{
		Known:    true,
		Queued:   binary.LittleEndian.Uint32(src[0:]),
		InFlight: binary.LittleEndian.Uint32(src[4:]),
		Wait:     time.Duration(binary.LittleEndian.Uint32(src[8:])) * time.Microsecond,
	}
}

// micros is how times of loads travel.
func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}

// AppendLoad appends the value of LoadHeader. It appends nothing when neither load is known.
func AppendLoad(dst []byte, node, model Load) []byte {
	if !node.Known && !model.Known {
		return dst
	}
	dst = append(dst, orcaText...)
	if node.Known {
		dst = appendNamed(dst, "", node)
	}
	if node.Known && model.Known {
		dst = append(dst, ',')
	}
	if model.Known {
		dst = appendNamed(dst, orcaModel, model)
	}
	return dst
}

func appendNamed(dst []byte, prefix string, l Load) []byte {
	pair := func(name string, value uint32, separator string) {
		dst = append(dst, orcaNamed...)
		dst = append(dst, prefix...)
		dst = append(dst, name...)
		dst = append(dst, '=')
		dst = strconv.AppendUint(dst, uint64(value), 10)
		dst = append(dst, separator...)
	}
	pair(loadQueued, l.Queued, ",")
	pair(loadInFlight, l.InFlight, ",")
	pair(loadWait, micros(l.Wait), "")
	return dst
}

// ParseLoad reads the value of LoadHeader. Metrics that it does not know are skipped, as are other forms than text and
// numbers that are none: a load is a hint, and a bad one is no load.
func ParseLoad(value string) (node, model Load) {
	text, found := strings.CutPrefix(value, orcaText)
	if !found {
		return Load{}, Load{}
	}
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, ",")
		name, number, found := strings.Cut(strings.TrimSpace(pair), "=")
		name, named := strings.CutPrefix(name, orcaNamed)
		if !found || !named {
			continue
		}
		amount, ok := parseAmount(number)
		if !ok {
			continue
		}
		target := &node
		if rest, isModel := strings.CutPrefix(name, orcaModel); isModel {
			name, target = rest, &model
		}
		target.set(name, amount)
	}
	return node, model
}

func (l *Load) set(name string, amount uint32) {
	switch name {
	case loadQueued:
		l.Known, l.Queued = true, amount
	case loadInFlight:
		l.Known, l.InFlight = true, amount
	case loadWait:
		l.Known, l.Wait = true, time.Duration(amount)*time.Microsecond
	}
}

// parseAmount reads a metric. ORCA's metrics are floating point, so others may send "3.0".
func parseAmount(text string) (uint32, bool) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= math.MaxUint32) {
		return 0, false
	}
	return uint32(f), true
}
