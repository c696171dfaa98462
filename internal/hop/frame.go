package hop

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A frame is a header of 24 bytes and a payload. All integers of the hop are little endian.
//
//	0  u32  length of the payload
//	4  u8   kind
//	5  u8   flags
//	6  u16  zero
//	8  u64  stream id, 0 for frames about the connection
//	16 u32  CRC-32C of the payload
//	20 u32  CRC-32C of bytes 0 to 19
//
// The header has a checksum of its own because a length that lies is believed before its payload can be checked.
const headerSize = 24

// kind says what a frame means.
type kind uint8

const (
	kindSettings kind = 1
	kindRequest  kind = 2
	kindResponse kind = 3
	kindChunk    kind = 4
	kindCancel   kind = 5
	kindWindow   kind = 6
	kindPing     kind = 7
	kindPong     kind = 8
	kindGoaway   kind = 9
	kindLoad     kind = 10 // always sent with flagOptional: it came after version 1
)

// String returns the kind's name in docs/hop.md.
func (k kind) String() string {
	names := [...]string{"kind 0", "settings", "request", "response", "chunk", "cancel", "window", "ping", "pong", "goaway", "load"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

const (
	flagEnd      = 0x01 // request, response, chunk: the message ends with this frame
	flagNotBegun = 0x02 // cancel from the server: the request never reached the application
	flagOptional = 0x80 // unknown kinds: whoever does not know the kind skips the frame
)

const (
	// maxHead bounds the head of a request or response. Paths and headers of inference traffic are a few hundred bytes;
	// the largest usual one is a JSON web token of 8 KiB.
	maxHead = 16 << 10
	// maxWhole is the largest frame that carries a head: a head and as many bytes of body. Such frames are checked and
	// decoded in the read buffer, which holds at least one of them.
	maxWhole = maxHead + inlineBody
	// inlineBody is the largest body that travels in the same frame as its head. Copying and summing 16 KiB takes about
	// 2 µs under the connection's lock; larger bodies are sent from their own memory.
	inlineBody = 16 << 10
	// maxControl bounds the payload of settings, cancel, window, ping, pong, goaway, load and of unknown optional frames.
	maxControl = 512
	// maxReason bounds the text of cancel and goaway: a line of a log.
	maxReason = 200
)

// castagnoli is the polynomial that amd64 and arm64 have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameHeader is a decoded frame header.
type frameHeader struct {
	length uint32
	kind   kind
	flags  uint8
	id     uint64
	sum    uint32
}

// ends says whether the message of a request, response or chunk frame is complete with it.
func (h frameHeader) ends() bool { return h.flags&flagEnd != 0 }

// put writes the header into the first 24 bytes of dst.
func (h frameHeader) put(dst []byte) {
	_ = dst[headerSize-1]
	binary.LittleEndian.PutUint32(dst[0:], h.length)
	dst[4], dst[5] = byte(h.kind), h.flags
	binary.LittleEndian.PutUint16(dst[6:], 0)
	binary.LittleEndian.PutUint64(dst[8:], h.id)
	binary.LittleEndian.PutUint32(dst[16:], h.sum)
	binary.LittleEndian.PutUint32(dst[20:], headerSum(dst))
}

// headerSum is the checksum that stands at the end of a header.
func headerSum(header []byte) uint32 { return crc32.Update(0, castagnoli, header[:20]) }

// parseHeader decodes the first 24 bytes of b.
func parseHeader(b []byte) (frameHeader, error) {
	_ = b[headerSize-1]
	if got, want := headerSum(b), binary.LittleEndian.Uint32(b[20:]); got != want {
		return frameHeader{}, violation("frame header with checksum %08x, computed %08x", want, got)
	}
	if binary.LittleEndian.Uint16(b[6:]) != 0 {
		return frameHeader{}, violation("frame header with reserved bytes set")
	}
	return frameHeader{
		length: binary.LittleEndian.Uint32(b[0:]),
		kind:   kind(b[4]),
		flags:  b[5],
		id:     binary.LittleEndian.Uint64(b[8:]),
		sum:    binary.LittleEndian.Uint32(b[16:]),
	}, nil
}

// checkPayload compares a payload that lies in memory with its header's checksum.
func (h frameHeader) checkPayload(payload []byte) error {
	if got := crc32.Update(0, castagnoli, payload); got != h.sum {
		return violation("%v frame with payload checksum %08x, computed %08x", h.kind, h.sum, got)
	}
	return nil
}

// openFrame appends room for a header; sealFrame fills it in once the payload has been appended.
func openFrame(dst []byte) []byte {
	return append(dst, make([]byte, headerSize)...)
}

// sealFrame writes the header of the frame that begins at dst[start] and ends with dst.
func sealFrame(dst []byte, start int, k kind, flags uint8, id uint64) {
	payload := dst[start+headerSize:]
	frameHeader{
		length: uint32(len(payload)), kind: k, flags: flags, id: id,
		sum: crc32.Update(0, castagnoli, payload),
	}.put(dst[start:])
}
