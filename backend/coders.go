package backend

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"sync"
)

// coders keeps what compresses and inflates: one of the former takes a megabyte, one of the latter 40 KiB. The zero value is
// ready.
type coders struct {
	gzipReaders, zlibReaders sync.Pool
	gzipWriters, zlibWriters sync.Pool
}

// reader returns what inflates body, for putReader.
func (c *coders) reader(coding string, body []byte) (io.Reader, error) {
	src := bytes.NewReader(body)
	if coding == codingGzip {
		if r, ok := c.gzipReaders.Get().(*gzip.Reader); ok {
			return r, r.Reset(src)
		}
		return gzip.NewReader(src)
	}
	if r, ok := c.zlibReaders.Get().(io.Reader); ok {
		return r, r.(zlib.Resetter).Reset(src, nil) //nolint:forcetypeassert // what NewReader returns is one
	}
	return zlib.NewReader(src)
}

// putReader takes back what reader returned without an error.
func (c *coders) putReader(coding string, r io.Reader) {
	if coding == codingGzip {
		c.gzipReaders.Put(r)
	} else {
		c.zlibReaders.Put(r)
	}
}

// compressor is what the writers of both codings have.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// write appends body to dst, compressed.
func (c *coders) write(coding string, dst *bytes.Buffer, body []byte) error {
	pool := &c.zlibWriters
	if coding == codingGzip {
		pool = &c.gzipWriters
	}
	w, ok := pool.Get().(compressor)
	if ok {
		w.Reset(dst)
	} else {
		w = newCompressor(coding, dst)
	}
	_, err := w.Write(body)
	if err == nil {
		err = w.Close()
	}
	w.Reset(nil) // the answer's memory is not the pool's
	pool.Put(w)
	return err
}

// newCompressor compresses fast rather than well: tensors hardly get smaller by trying harder, and the time is the node's.
func newCompressor(coding string, w io.Writer) compressor {
	if coding == codingGzip {
		c, _ := gzip.NewWriterLevel(w, flate.BestSpeed) // fails for levels that are none
		return c
	}
	c, _ := zlib.NewWriterLevel(w, flate.BestSpeed)
	return c
}
