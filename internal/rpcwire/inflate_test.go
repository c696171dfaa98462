package rpcwire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/grpc/encoding"

	"ganglion/internal/memory"
)

// within is the compressor of that name, with an account of its own.
func within(t *testing.T, name string, limit int64) bounded {
	t.Helper()
	registered, ok := encoding.GetCompressor(name).(bounded)
	if !ok {
		t.Fatalf("%s is not bounded", name)
	}
	return bounded{registered.Compressor, &memory.Account{Limit: limit}}
}

func compressed(t *testing.T, c encoding.Compressor, message []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := c.Compress(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inflate does as grpc does.
func inflate(c encoding.Compressor, message []byte) ([]byte, error) {
	r, err := c.Decompress(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.(io.Closer).Close() }() // it was read, and nothing is written
	return io.ReadAll(r)
}

func TestMessagesAreInflated(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for _, name := range []string{"gzip", "deflate"} {
		c := within(t, name, 1<<20)
		for _, size := range []int{0, 1, inflateStep - 1, inflateStep, inflateStep + 1, 1 << 20} {
			message := make([]byte, size)
			_, _ = random.Read(message)
			got, err := inflate(c, compressed(t, c, message))
			if size == 1<<20 && errors.Is(err, errNoRoom) {
				continue // it takes one more read to see its end
			}
			if err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s: %d bytes became %d with error %v", name, size, len(got), err)
			}
			if used := c.room.Used(); used != 0 {
				t.Fatalf("%s: %d bytes are left reserved after a message of %d", name, used, size)
			}
		}
	}
}

// Zeros are a thousandth of their size when compressed.
func TestWhatInflatesTooFarIsRefused(t *testing.T) {
	for _, name := range []string{"gzip", "deflate"} {
		c := within(t, name, 1<<20)
		bomb := compressed(t, c, make([]byte, 4<<20))
		if got, err := inflate(c, bomb); !errors.Is(err, errNoRoom) || len(got) > 1<<20 {
			t.Errorf("%s: %d bytes with error %v, want the refusal at 1 MiB", name, len(got), err)
		}
		if _, err := inflate(c, compressed(t, c, make([]byte, 100<<10))); err != nil {
			t.Errorf("%s: a small message after it: %v", name, err)
		}
		if used := c.room.Used(); used != 0 {
			t.Errorf("%s: %d bytes are left reserved", name, used)
		}
	}
}

// However many arrive at once, they share the room.
func TestManyAreInflatedAtOnce(t *testing.T) {
	c := within(t, "gzip", 1<<20)
	message := compressed(t, c, make([]byte, 300<<10))
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 4 {
				if got, err := inflate(c, message); err == nil && len(got) != 300<<10 {
					t.Errorf("became %d bytes", len(got))
				}
				if used := c.room.Used(); used > 1<<20+8*inflateStep { // those about to be refused count for a moment
					t.Errorf("%d bytes are in use", used)
				}
			}
		})
	}
	calls.Wait()
	if used := c.room.Used(); used != 0 {
		t.Errorf("%d bytes are left reserved", used)
	}
}
