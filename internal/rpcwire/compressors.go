package rpcwire

import (
	"compress/zlib"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip" // registers itself

	"ganglion/internal/memory"
)

// The one init of the tree: grpc's registry of compressors may be written at no other time. It brings gzip only, which bounds
// nothing but single messages, while clients built on its C++ core, as tritonclient is, offer deflate too.
func init() {
	room := &memory.Account{Limit: inflating}
	encoding.RegisterCompressor(bounded{encoding.GetCompressor(gzip.Name), room})
	encoding.RegisterCompressor(bounded{newDeflate(), room})
}

// deflate is gRPC's "deflate", a zlib stream (RFC 1950). What one message inflates to is bounded by grpc, which reads no more
// of it than its limit for messages.
type deflate struct{ readers, writers sync.Pool }

func newDeflate() *deflate {
	d := &deflate{}
	d.writers.New = func() any { return &deflateWriter{Writer: zlib.NewWriter(io.Discard), home: &d.writers} }
	return d
}

// Name implements encoding.Compressor.
func (*deflate) Name() string { return "deflate" }

// Compress implements encoding.Compressor. The writer is reused once it is closed.
func (d *deflate) Compress(w io.Writer) (io.WriteCloser, error) {
	z := d.writers.Get().(*deflateWriter) // the pool's New makes nothing else
	z.Reset(w)
	return z, nil
}

// Decompress implements encoding.Compressor. The reader is reused once it has been read to its end.
func (d *deflate) Decompress(r io.Reader) (io.Reader, error) {
	z, ok := d.readers.Get().(*deflateReader)
	if !ok {
		inner, err := zlib.NewReader(r)
		if err != nil {
			return nil, err
		}
		return &deflateReader{inner: inner, home: &d.readers}, nil
	}
	if err := z.inner.(zlib.Resetter).Reset(r, nil); err != nil { // zlib documents that its readers are Resetters
		d.readers.Put(z)
		return nil, err
	}
	return z, nil
}

type deflateWriter struct {
	*zlib.Writer
	home *sync.Pool
}

// Close ends the stream and gives the writer up.
func (z *deflateWriter) Close() error {
	defer z.home.Put(z)
	return z.Writer.Close()
}

type deflateReader struct {
	inner io.ReadCloser
	home  *sync.Pool
}

// Read gives the reader up at the end of the stream; after that it is not to be used.
func (z *deflateReader) Read(p []byte) (n int, err error) {
	n, err = z.inner.Read(p)
	if errors.Is(err, io.EOF) {
		z.home.Put(z)
	}
	return n, err
}
