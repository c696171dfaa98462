package hop

import (
	"encoding/binary"
	"strings"
	"time"
)

// Reason is the number that cancel and goaway frames give for themselves.
type Reason uint32

// The reasons. docs/hop.md says who gives which.
const (
	ReasonNone     Reason = 0 // an orderly goaway: restart, drain
	ReasonCanceled Reason = 1 // nobody waits for the answer
	ReasonDeadline Reason = 2 // the request's deadline has passed
	ReasonRefused  Reason = 3 // over the connection's limit of streams
	ReasonMemory   Reason = 4 // no memory left for this body
	ReasonTooLarge Reason = 5 // the body is over the receiver's limit
	ReasonInvalid  Reason = 6 // the head holds what no HTTP message may hold
	ReasonFailed   Reason = 7 // the application gave up on this request: a panic, or an answer that cannot be sent
	ReasonStalled  Reason = 8 // a body made no progress for too long
	ReasonProtocol Reason = 9 // the peer broke the rules of the hop
	// ReasonDeclined is a request whose condition did not hold. Older clients never read it, since they set no conditions.
	ReasonDeclined Reason = 10
)

// String returns the reason's name in docs/hop.md.
func (r Reason) String() string {
	names := [...]string{
		"none", "canceled", "deadline", "refused", "memory", "too large", "invalid", "failed", "stalled", "protocol error", "declined",
	}
	if int64(r) < int64(len(names)) {
		return names[r]
	}
	return "unknown reason"
}

// appendCancel queues the end of one stream: u32 reason, text.
func appendCancel(dst []byte, id uint64, flags uint8, reason Reason, text string) []byte {
	start := len(dst)
	dst = openFrame(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(reason))
	dst = append(dst, text[:min(len(text), maxReason)]...)
	sealFrame(dst, start, kindCancel, flags, id)
	return dst
}

// parseCancel decodes a cancel's payload. The text aliases it.
func parseCancel(payload []byte) (Reason, []byte, error) {
	if len(payload) < 4 || len(payload) > 4+maxReason {
		return 0, nil, violation("cancel frame of %d bytes", len(payload))
	}
	return Reason(binary.LittleEndian.Uint32(payload)), payload[4:], nil
}

// appendGoaway queues the end of the connection: u64 last stream that is or will be processed, u32 reason, text.
func appendGoaway(dst []byte, last uint64, reason Reason, text string) []byte {
	start := len(dst)
	dst = openFrame(dst)
	dst = binary.LittleEndian.AppendUint64(dst, last)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(reason))
	dst = append(dst, text[:min(len(text), maxReason)]...)
	sealFrame(dst, start, kindGoaway, 0, 0)
	return dst
}

// parseGoaway decodes a goaway's payload. The text aliases it.
func parseGoaway(payload []byte) (last uint64, reason Reason, text []byte, err error) {
	if len(payload) < 12 || len(payload) > 12+maxReason {
		return 0, 0, nil, violation("goaway frame of %d bytes", len(payload))
	}
	return binary.LittleEndian.Uint64(payload), Reason(binary.LittleEndian.Uint32(payload[8:])), payload[12:], nil
}

// appendWindow queues a grant of more body bytes to one stream: u32 bytes.
func appendWindow(dst []byte, id uint64, bytes uint32) []byte {
	start := len(dst)
	dst = openFrame(dst)
	dst = binary.LittleEndian.AppendUint32(dst, bytes)
	sealFrame(dst, start, kindWindow, 0, id)
	return dst
}

// parseWindow decodes a grant.
func parseWindow(payload []byte) (int64, error) {
	if len(payload) != 4 {
		return 0, violation("window frame of %d bytes, want 4", len(payload))
	}
	bytes := binary.LittleEndian.Uint32(payload)
	if bytes == 0 {
		return 0, violation("window frame that grants nothing")
	}
	return int64(bytes), nil
}

// appendPing queues a ping or pong: 8 bytes that come back as they went.
func appendPing(dst []byte, k kind, token uint64) []byte {
	start := len(dst)
	dst = openFrame(dst)
	dst = binary.LittleEndian.AppendUint64(dst, token)
	sealFrame(dst, start, k, 0, 0)
	return dst
}

// parsePing decodes the token of a ping or pong.
func parsePing(payload []byte) (uint64, error) {
	if len(payload) != 8 {
		return 0, violation("ping frame of %d bytes, want 8", len(payload))
	}
	return binary.LittleEndian.Uint64(payload), nil
}

const (
	// loadFrameLeast is a load and the number of its requests that the receiver has sent itself: all that was there at first.
	loadFrameLeast = loadSize + 4
	// loadFrameSize is that and for how long the node has worked. What a later revision appends is skipped.
	loadFrameSize = loadFrameLeast + 4
)

// appendLoadFrame queues a load that goes without an answer.
func appendLoadFrame(dst []byte, l Load, own uint32) []byte {
	start := len(dst)
	dst = append(openFrame(dst), make([]byte, loadFrameSize)...)
	p := dst[start+headerSize:]
	putLoad(p, l)
	binary.LittleEndian.PutUint32(p[loadSize:], own)
	binary.LittleEndian.PutUint32(p[loadFrameLeast:], micros(l.Worked))
	sealFrame(dst, start, kindLoad, flagOptional, 0)
	return dst
}

// parseLoadFrame decodes it.
func parseLoadFrame(payload []byte) (l Load, own uint32, err error) {
	if len(payload) < loadFrameLeast {
		return Load{}, 0, violation("load frame of %d bytes, want at least %d", len(payload), loadFrameLeast)
	}
	l, own = readLoad(payload, true), binary.LittleEndian.Uint32(payload[loadSize:])
	if len(payload) >= loadFrameSize {
		l.Worked = time.Duration(binary.LittleEndian.Uint32(payload[loadFrameLeast:])) * time.Microsecond
	}
	return l, own, nil
}

// printable keeps a peer's text fit for a log line.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '.'
		}
		return r
	}, string(text))
}
