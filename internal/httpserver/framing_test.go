package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// mirrorBody answers with what arrived: method, length as the header has it, and body.
func mirrorBody(ctx *fasthttp.RequestCtx) {
	fmt.Fprintf(ctx, "%s %d %s", ctx.Method(), ctx.Request.Header.ContentLength(), ctx.PostBody())
}

// severalKinds are requests in one stream whose bodies take every way there is, and what mirrorBody makes of them.
func severalKinds() (wire string, want []string) {
	add := func(method, headers, body, length, answer string) {
		wire += method + " / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body
		want = append(want, method+" "+length+" "+answer)
	}
	blank := "a\r\n\r\nPOST / HTTP/1.1\r\n\r\n" // a body that looks like a head
	add("POST", "Content-Length: 5\r\n", "hello", "5", "hello")
	add("POST", fmt.Sprintf("Content-Length: %d\r\n", len(blank)), blank, fmt.Sprint(len(blank)), blank)
	add("POST", "Content-Length: 3\r\n", "xyz", "3", "xyz")
	add("GET", "Content-Length: 2\r\n", "hi", "2", "hi")
	add("POST", "Content-Length: 0\r\n", "", "0", "")
	add("PUT", "X: y\r\nContent-Length: 4\r\n", "last", "4", "last")
	add("POST", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", "-1", "abc\r\n\r\n")
	return wire, want
}

// TestRequestsInPieces cuts a stream of requests in two at every byte: what is a head and what a body must not depend on how
// it arrives.
func TestRequestsInPieces(t *testing.T) {
	r := start(t, testConfig(), mirrorBody)
	wire, want := severalKinds()
	for cut := range len(wire) {
		c := r.dial(t)
		br := bufio.NewReader(c)
		if _, err := io.WriteString(c, wire[:cut]); err != nil {
			t.Fatal(err)
		}
		first := complete(wire[:cut])
		read := func(answers []string) {
			for i, answer := range answers {
				if resp, body, _ := readAnswer(t, br); resp.StatusCode != http.StatusOK || body != answer {
					t.Fatalf("cut at %d: answer %d is %d %q, want %q", cut, i, resp.StatusCode, body, answer)
				}
			}
		}
		read(want[:first]) // so that the server has seen the first piece by itself
		if _, err := io.WriteString(c, wire[cut:]); err != nil {
			t.Fatal(err)
		}
		read(want[first:])
		c.Close()
	}
}

// TestRequestsInOneGo has each kind follow each other.
func TestRequestsInOneGo(t *testing.T) {
	r := start(t, testConfig(), mirrorBody)
	wire, want := severalKinds()
	c := r.dial(t)
	if _, err := io.WriteString(c, strings.Repeat(wire, 3)); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	for i := range 3 * len(want) {
		if _, body, _ := readAnswer(t, br); body != want[i%len(want)] {
			t.Fatalf("answer %d is %q, want %q", i, body, want[i%len(want)])
		}
	}
}

// complete is how many whole requests a piece of severalKinds begins with.
func complete(piece string) (n int) {
	for br := bufio.NewReader(strings.NewReader(piece)); ; n++ {
		req, err := http.ReadRequest(br)
		if err != nil {
			return n
		}
		if _, err := io.ReadAll(req.Body); err != nil {
			return n
		}
	}
}

// TestHeadsThatAreNotPlain are answered as if nothing had been looked at before fasthttp did.
func TestHeadsThatAreNotPlain(t *testing.T) {
	r := start(t, testConfig(), mirrorBody)
	for wire, want := range map[string]string{
		"\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi":                                "POST 2 hi",
		"POST / HTTP/1.1\nHost: x\r\nContent-Length: 2\r\n\r\nhi":                                          "POST 2 hi",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi":          "exclude each other",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi":                   "more than one Content-Length",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\r\n\r\nhi":                                  "malformed",
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n": "POST 2 hi",
	} {
		_, body, _ := r.raw(t, wire)
		if !strings.Contains(body, want) {
			t.Errorf("%q is answered with %q, want %q", wire, body, want)
		}
	}
}

func FuzzHeadEnd(f *testing.F) {
	wire, _ := severalKinds()
	f.Add([]byte(wire))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\r\n\r\n"))
	f.Add([]byte("\r\nGET / HTTP/1.1\r\nHost: x\r\nA:\n b\r\n\r\nbody"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		end := headEnd(wire)
		if end == 0 {
			return
		}
		rest := bufio.NewReaderSize(strings.NewReader(string(wire)), len(wire)+16)
		var h fasthttp.RequestHeader
		if h.Read(rest) != nil {
			return // it is refused
		}
		if left := len(wire) - end; rest.Buffered() != left && lint(&h) == none {
			t.Errorf("%q: head ends at %d, for fasthttp at %d", wire, end, len(wire)-rest.Buffered())
		}
	})
}
