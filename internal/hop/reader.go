package hop

import (
	"errors"
	"hash/crc32"
	"io"
	"net"
	"os"
	"sync/atomic"
)

const (
	// readBuffer holds at least one whole frame with a head; with small exchanges it takes a few hundred of them in one
	// system call.
	readBuffer = 64 << 10
	// bulkRead is how much is read ahead while a large body arrives: enough for the next chunk's header and small frames in
	// between, little enough that most of a chunk is read straight to where it belongs and not copied there.
	bulkRead = 4 << 10
	// directRead is the rest of a chunk from which on it is read straight to its place.
	directRead = 8 << 10
)

// reader takes frames off a connection. It belongs to the reading goroutine.
type reader struct {
	nc       net.Conn
	buf      []byte
	pos, end int  // buf[pos:end] has been read and not been taken
	bulk     bool // the last frame was a chunk
	sums     bool // chunks have checksums
	heard    bool // bytes have come since the alarm last looked
	alarm    func() error

	reads, bytes atomic.Uint64
}

// fill reads until n bytes are buffered. The read deadline is the connection's alarm clock: when it goes off, alarm says
// whether to go on, and has set the next one.
func (r *reader) fill(n int) error {
	for r.end-r.pos < n {
		if r.pos == r.end {
			r.pos, r.end = 0, 0
		}
		if r.pos+n > len(r.buf) {
			r.end = copy(r.buf, r.buf[r.pos:r.end])
			r.pos = 0
		}
		limit := len(r.buf)
		if r.bulk {
			limit = min(limit, max(r.pos+n, r.end+bulkRead))
		}
		got, err := r.read(r.buf[r.end:limit])
		r.end += got
		if err != nil && r.end-r.pos < n {
			return err
		}
	}
	return nil
}

// read is one successful read, with alarms in between.
func (r *reader) read(dst []byte) (int, error) {
	for range maxEmptyReads {
		n, err := r.nc.Read(dst)
		if n > 0 {
			r.heard = true
			r.reads.Add(1)
			r.bytes.Add(uint64(n))
			return n, nil
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := r.alarm(); err != nil {
				return 0, err
			}
		default:
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// maxEmptyReads is how often in a row a connection may return nothing. Alarms are at least a millisecond apart and a peer
// that is silent for so many is cut off much sooner; what remains is a net.Conn that breaks the rules.
const maxEmptyReads = 1 << 20

// header reads the next frame's header.
func (r *reader) header() (frameHeader, error) {
	if err := r.fill(headerSize); err != nil {
		return frameHeader{}, err
	}
	h, err := parseHeader(r.buf[r.pos:])
	r.pos += headerSize
	return h, err
}

// payload reads a payload of at most maxWhole bytes and checks it. It is good until the next read.
func (r *reader) payload(h frameHeader) ([]byte, error) {
	n := int(h.length)
	if err := r.fill(n); err != nil {
		return nil, err
	}
	p := r.buf[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return p, h.checkPayload(p)
}

// body reads a chunk's payload into first and then second, and checks it.
func (r *reader) body(h frameHeader, first, second []byte) error {
	sum := uint32(0)
	for _, dst := range [...][]byte{first, second} {
		for len(dst) > 0 {
			n, err := r.take(dst)
			if err != nil {
				return err
			}
			if r.sums {
				sum = crc32.Update(sum, castagnoli, dst[:n])
			}
			dst = dst[n:]
		}
	}
	return r.check(h, sum)
}

// bodyRing is body for a ring of which at bytes have been filled since its beginning.
func (r *reader) bodyRing(h frameHeader, ring []byte, at int64) error {
	start := int(at % int64(len(ring)))
	first := ring[start:min(start+int(h.length), len(ring))]
	return r.body(h, first, ring[:int(h.length)-len(first)])
}

// skip reads the payload of a chunk or of an unknown frame that nobody wants.
func (r *reader) skip(h frameHeader) error {
	for left := int(h.length); left > 0; {
		if r.pos == r.end {
			if err := r.fill(1); err != nil {
				return err
			}
		}
		n := min(left, r.end-r.pos)
		r.pos += n
		left -= n
	}
	return nil
}

// take copies what is buffered, or reads straight into dst when that is worth a system call of its own.
func (r *reader) take(dst []byte) (int, error) {
	if r.pos == r.end {
		if len(dst) >= directRead {
			return r.read(dst)
		}
		if err := r.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(dst, r.buf[r.pos:r.end])
	r.pos += n
	return n, nil
}

func (r *reader) check(h frameHeader, sum uint32) error {
	if r.sums && sum != h.sum {
		return violation("%v frame with payload checksum %08x, computed %08x", h.kind, h.sum, sum)
	}
	return nil
}
