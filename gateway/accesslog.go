package gateway

import (
	"bytes"
	"context"
	"encoding"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// Bounds of the access log's buffer.
const (
	// logRoom holds what a few seconds of heavy traffic write, so that a disk that pauses loses nothing; a disk that
	// stalls loses lines, not requests.
	logRoom = 4 << 20
	// logBatch is how long a line may wait for company: lines that arrive together leave in one write.
	logBatch = 20 * time.Millisecond
	// logEager is the amount that is written without waiting.
	logEager = 64 << 10
	// logLossEvery is how often the loss of lines is reported: a full disk fails every write, up to 50 times a second.
	logLossEvery = time.Minute
)

// accessLog writes lines from any number of exchanges to one place, by one goroutine.
type accessLog struct {
	to   io.Writer
	log  *slog.Logger
	wake chan struct{} // a line came into an empty buffer
	full chan struct{} // the buffer passed logEager

	mu      sync.Mutex
	pending []byte

	lines, dropped atomic.Uint64

	loss loss // belongs to run
}

// loss is what has been said about lost lines.
type loss struct {
	reported uint64    // of dropped
	at       time.Time // of the last report
	err      error     // of the last write that failed since; nil = lines only came too fast
}

// newAccessLog makes a log that writes to w; it starts nothing. A nil w is no log.
func newAccessLog(w io.Writer, log *slog.Logger) *accessLog {
	if w == nil {
		return nil
	}
	return &accessLog{to: w, log: log, wake: make(chan struct{}, 1), full: make(chan struct{}, 1)}
}

// write takes a copy of the line, or drops it when there is no room. It never waits for the disk.
func (l *accessLog) write(line []byte) {
	l.mu.Lock()
	before := len(l.pending)
	fits := before+len(line) <= logRoom
	if fits {
		l.pending = append(l.pending, line...)
	}
	l.mu.Unlock()
	if !fits {
		l.dropped.Add(1)
		return
	}
	l.lines.Add(1)
	if before == 0 {
		signal(l.wake)
	}
	if before < logEager && before+len(line) >= logEager {
		signal(l.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes what comes until ctx ends, and then what is left.
func (l *accessLog) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var spare []byte
	for {
		select {
		case <-ctx.Done():
			l.flush(spare)
			l.reportLoss()
			return nil
		case <-l.wake:
		}
		timer.Reset(logBatch)
		select {
		case <-ctx.Done():
		case <-l.full:
		case <-timer.C:
		}
		spare = l.flush(spare)
		if time.Since(l.loss.at) >= logLossEvery {
			l.reportLoss()
		}
	}
}

// reportLoss says how many lines were lost since it last did, if any were.
func (l *accessLog) reportLoss() {
	dropped := l.dropped.Load()
	lost := dropped - l.loss.reported
	if lost == 0 {
		return
	}
	if l.loss.err != nil {
		l.log.Error("cannot write the access log", "lines_lost", lost, "error", l.loss.err)
	} else {
		l.log.Error("cannot write the access log fast enough", "lines_lost", lost)
	}
	l.loss = loss{reported: dropped, at: time.Now()}
}

// flush writes what is pending and returns its buffer for the next flush.
func (l *accessLog) flush(spare []byte) []byte {
	l.mu.Lock()
	out := l.pending
	l.pending = spare[:0]
	l.mu.Unlock()
	if len(out) == 0 {
		return out
	}
	if n, err := l.to.Write(out); err != nil {
		l.dropped.Add(uint64(bytes.Count(out[n:], []byte{'\n'})))
		l.loss.err = err
	}
	return out
}

// logTime is RFC 3339 in UTC with milliseconds, as log collectors read it.
const logTime = "2006-01-02T15:04:05.000Z"

// longestLogged bounds what a client can make a line repeat.
const longestLogged = 256

// appendAccessLine appends the line of an exchange. It holds neither bodies (but the beginning of a node's error, when
// an attempt failed), nor queries, nor any header but the request's id.
func appendAccessLine(dst []byte, x *exchange, took time.Duration) []byte {
	h := &x.req.Header
	path, _, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	dst = append(dst, `{"time":"`...)
	dst = x.start.UTC().AppendFormat(dst, logTime)
	dst = append(dst, '"')
	dst = appendField(dst, "id", text(x.id))
	dst = appendField(dst, "client", text(x.client))
	switch {
	case x.rpc != nil:
		dst = appendField(dst, "protocol", "grpc")
		dst = appendField(dst, "path", x.rpc.method)
	case hasRequestLine(h):
		dst = appendField(dst, "protocol", "http")
		dst = appendField(dst, "method", text(h.Method()))
		dst = appendField(dst, "path", text(path))
	}
	if x.call.Model != "" {
		dst = appendField(dst, "model", x.call.Model)
	}
	if x.variant != nil {
		dst = appendField(dst, "route", x.route.name)
		dst = appendField(dst, "variant", x.variant.name)
		dst = appendNodes(dst, x)
		dst = appendField(dst, "cache", x.use.String())
	}
	dst = appendNumber(dst, "status", int64(x.status))
	if x.rpc != nil {
		dst = appendField(dst, "grpc", x.rpc.code.String())
	}
	dst = appendField(dst, "reason", x.reason.String())
	dst = appendNumber(dst, "bytes_in", int64(x.bytesIn))
	dst = appendNumber(dst, "bytes_out", int64(len(x.resp.Body())))
	if !turnedAway(x.reason) {
		dst = appendMillis(dst, "ms", took)
	}
	if x.rank > 0 {
		dst = appendNumber(dst, "priority", int64(x.rank))
	}
	if x.queued > 0 {
		dst = appendMillis(dst, "queued_ms", x.queued)
	}
	if x.attempts > 0 {
		dst = appendMillis(dst, "upstream_ms", x.upstream)
	}
	if x.cause != nil {
		dst = appendField(dst, "error", x.causeText())
	}
	return append(dst, '}', '\n')
}

// causeText is why the exchange failed; it is good until scratch is used again.
func (x *exchange) causeText() string {
	cause, ok := x.cause.(encoding.TextAppender)
	if !ok {
		return x.cause.Error()
	}
	b, err := cause.AppendText(x.scratch[:0])
	if err != nil {
		return x.cause.Error()
	}
	x.scratch = b
	return text(b)
}

// hasRequestLine reports whether h holds a target: the server drops what it had read of a head that it could not read
// to its end. The methods of h then return what would do for the missing parts, GET and "/": memory that all headers
// share, by which they are told from a client's own.
func hasRequestLine(h *fasthttp.RequestHeader) bool {
	var empty fasthttp.RequestHeader
	return &h.RequestURI()[0] != &empty.RequestURI()[0]
}

// turnedAway reports whether the server refused the request before it was an exchange: when it began to come in is
// then unknown, and the time since the refusal would be taken for the time it took.
func turnedAway(r Reason) bool {
	return r == reasonBadRequest || r == reasonTooLarge || r == reasonOverload
}

func appendNodes(dst []byte, x *exchange) []byte {
	dst = append(dst, `,"nodes":[`...)
	for i, n := range x.tried[:min(x.attempts, maxNodes)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = oip.AppendJSONString(dst, n.address)
	}
	dst = append(dst, ']')
	dst = appendNumber(dst, "attempts", int64(x.attempts))
	if x.declines > 0 {
		dst = appendNumber(dst, "declined", int64(x.declines))
	}
	if x.hedged != hedgeNone {
		dst = appendField(dst, "hedge", x.hedged.String())
	}
	return dst
}

func appendField(dst []byte, key, value string) []byte {
	dst = appendKey(dst, key)
	return oip.AppendJSONString(dst, value[:min(len(value), longestLogged)])
}

func appendNumber(dst []byte, key string, value int64) []byte {
	return strconv.AppendInt(appendKey(dst, key), value, 10)
}

// appendMillis appends a duration as milliseconds with three decimals, which are microseconds.
func appendMillis(dst []byte, key string, d time.Duration) []byte {
	dst = appendKey(dst, key)
	us := d.Microseconds()
	dst = strconv.AppendInt(dst, us/1000, 10)
	return append(dst, '.', byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}
