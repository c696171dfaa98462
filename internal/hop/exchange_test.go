package hop

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
)

func TestBodiesOfEverySizeComeBack(t *testing.T) {
	p := loopback(t, echo)
	var x Exchange
	for _, size := range []int{0, 1, 150, inlineBody - 1, inlineBody, inlineBody + 1, chunkSize, chunkSize + 1, 600_000, 1 << 20, 3<<20 + 7, 20 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			body := make([]byte, size)
			rand.Read(body)
			if err := p.conn.Do(post(&x, body)); err != nil {
				t.Fatal(err)
			}
			if x.Response.Status != 200 || !bytes.Equal(x.Response.Body, body) {
				t.Fatalf("got status %d and %d bytes, want 200 and the %d bytes sent", x.Response.Status, len(x.Response.Body), size)
			}
		})
	}
}
