package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// inflation bounds what compressed bodies may come to when they have to be translated: 64 KB on the wire can be a thousand
// times as much in memory.
type inflation struct {
	most   int        // bytes of one: server.max_body
	memory hop.Memory // of all, with the bodies that came as they are: server.max_body_memory
}

// errBodyMemory means that there is no memory to inflate a body into.
var errBodyMemory = errors.New("inflated bodies take more than server.max_body_memory")

// loan is the memory of one inflated body.
type loan struct {
	from  hop.Memory
	bytes int64
}

// repay gives everything back. Nobody reads the body any more.
func (l *loan) repay() {
	if l.bytes > 0 {
		l.from.Release(l.bytes)
	}
	*l = loan{}
}

// inflate undoes the compression of a body, in memory that l owes.
func (i inflation) inflate(l *loan, body, encoding []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch string(encoding) {
	case "", "identity":
		return body, nil
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, oip.Errorf(oip.Unsupported, "Unsupported compression type")
	}
	if err != nil {
		return nil, oip.Errorf(oip.InvalidArgument, "the body is not %s: %v", encoding, err)
	}
	l.from = i.memory
	plain, err := io.ReadAll(&borrower{Reader: io.LimitReader(r, int64(i.most)+1), loan: l})
	switch {
	case errors.Is(err, errBodyMemory):
		return nil, err
	case err != nil:
		return nil, oip.Errorf(oip.InvalidArgument, "the body is not %s: %v", encoding, err)
	case len(plain) > i.most:
		return nil, oip.Errorf(oip.TooLarge, "the inflated body is larger than server.max_body")
	}
	return plain, nil
}

// borrower counts what it reads beyond what any exchange may keep.
type borrower struct {
	io.Reader
	loan *loan
	read int64
}

// Read implements io.Reader. It stops when there is no memory for more.
func (b *borrower) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	for b.read += int64(n); b.read-keepScratch > b.loan.bytes; b.loan.bytes += holdStep {
		if !b.loan.from.Reserve(holdStep) {
			return 0, errBodyMemory
		}
	}
	return n, err
}
