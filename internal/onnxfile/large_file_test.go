package onnxfile

import (
	"io"
	"testing"
)

// hole is a file with a run of zeroes that takes no memory.
type hole struct {
	head, tail []byte
	zeroes     int64
	read       int64
}

func (h *hole) size() int64 { return int64(len(h.head)) + h.zeroes + int64(len(h.tail)) }

func (h *hole) ReadAt(p []byte, off int64) (int, error) {
	tailAt := int64(len(h.head)) + h.zeroes
	for i := range p {
		switch at := off + int64(i); {
		case at < int64(len(h.head)):
			p[i] = h.head[at]
		case at < tailAt:
			p[i] = 0
		case at < h.size():
			p[i] = h.tail[at-tailAt]
		default:
			h.read += int64(i)
			return i, io.EOF
		}
	}
	h.read += int64(len(p))
	return len(p), nil
}

func TestWeightsAreSkippedNotRead(t *testing.T) {
	const weights = 2<<30 - 100
	tensor := new(message)
	tensor.int(1, weights/4)
	tensor.int(2, int64(Float))
	tensor.tag(9, wireBytes)
	tensor.varint(weights)
	tail := new(message)
	tail.text(2, "big") // the graph's name, after its weights
	head := new(message)
	graphHead := new(message)
	graphHead.tag(5, wireBytes)
	graphHead.varint(uint64(tensor.size) + weights)
	head.tag(7, wireBytes)
	head.varint(uint64(graphHead.size+tensor.size+tail.size) + weights)
	head.put(join(graphHead))
	head.put(join(tensor))
	h := &hole{head: join(head), tail: join(tail), zeroes: weights}

	s, err := Read(h, h.size())
	if err != nil {
		t.Fatal(err)
	}
	if s.Graph != "big" || s.Parameters != weights/4 {
		t.Errorf("summary is %+v, want graph big with %d parameters", s, weights/4)
	}
	if h.read > 2*windowSize {
		t.Errorf("%d bytes were read of a file with 100 bytes of headers, want at most %d", h.read, 2*windowSize)
	}
}

func TestWriterDoesNotCopyWeights(t *testing.T) {
	raw := make([]byte, 64<<20)
	m := &Model{Name: "m", Initializers: []Data{{Name: "w", Elem: Uint8, Dims: []int64{64 << 20}, Raw: raw}}}
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := m.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 16<<10 {
		t.Errorf("writing 64 MiB of weights allocates %d bytes, want headers only", allocated)
	}
}
