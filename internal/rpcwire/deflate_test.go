package rpcwire_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"sync"
	"testing"

	"google.golang.org/grpc/encoding"

	_ "ganglion/internal/rpcwire"
)

func deflated(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := encoding.GetCompressor("deflate").Compress(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDeflateIsAZlibStream, as gRPC's C++ core has it, whose clients use it.
func TestDeflateIsAZlibStream(t *testing.T) {
	text := bytes.Repeat([]byte("tensor "), 1000)
	r, err := zlib.NewReader(bytes.NewReader(deflated(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
		t.Errorf("got %d bytes (%v), want %d", len(got), err, len(text))
	}
}

// TestDeflateIsUsedAgain: by many at once, after streams that were broken off, too long or no streams at all.
func TestDeflateIsUsedAgain(t *testing.T) {
	c := encoding.GetCompressor("deflate")
	var working sync.WaitGroup
	for i := range 8 {
		working.Go(func() {
			text := bytes.Repeat([]byte{byte(i)}, 10_000+i)
			for range 50 {
				stream := deflated(t, text)
				if r, err := c.Decompress(bytes.NewReader(stream[:len(stream)/2])); err == nil {
					_, err = io.ReadAll(r)
					if err == nil {
						t.Error("half a stream was read without an error")
					}
				}
				if r, err := c.Decompress(bytes.NewReader(stream)); err == nil {
					_, _ = io.ReadAll(io.LimitReader(r, 100))
				}
				if _, err := c.Decompress(bytes.NewReader([]byte("no stream"))); err == nil {
					t.Error("what is no stream was taken for one")
				}
				r, err := c.Decompress(bytes.NewReader(stream))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
					t.Errorf("got %d bytes (%v), want %d", len(got), err, len(text))
				}
			}
		})
	}
	working.Wait()
}
