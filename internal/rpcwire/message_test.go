package rpcwire

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip/pb"
)

func TestTheCodecPassesBytesThrough(t *testing.T) {
	c := NewCodec()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, parts := range [][][]byte{{[]byte("one")}, {[]byte("t"), []byte("wo")}, {large, large}, {nil}} {
		out, err := c.Marshal(NewMessage(parts...))
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		if err := c.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		if want := bytes.Join(parts, nil); !bytes.Equal(m.Bytes(), want) {
			t.Errorf("%d bytes came out of %d", len(m.Bytes()), len(want))
		}
		m.Free()
		m.Free() // does nothing
		if m.Bytes() != nil {
			t.Error("a freed message has bytes")
		}
	}
	if _, err := c.Marshal(new(Message)); err == nil {
		t.Error("a message with nothing to send was sent")
	}
}

func TestTheCodecKnowsGeneratedTypes(t *testing.T) {
	c := NewCodec()
	in := &pb.ModelMetadataRequest{Name: "m", Version: "1"}
	out, err := c.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Free()
	again := new(pb.ModelMetadataRequest)
	if err := c.Unmarshal(out, again); err != nil || !proto.Equal(in, again) {
		t.Errorf("got %v, %v", again, err)
	}
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer("\xff")}, again); err == nil {
		t.Error("what is no message was read")
	}
}
