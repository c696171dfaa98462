package backend_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"ganglion/backend"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// packed compresses content as the coding of that name.
func packed(t *testing.T, coding string, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if coding == "deflate" {
		w = zlib.NewWriter(&out)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked is the contrary.
func unpacked(t *testing.T, coding, content string) string {
	t.Helper()
	var r io.Reader
	r, err := gzip.NewReader(strings.NewReader(content))
	if coding == "deflate" {
		r, err = zlib.NewReader(strings.NewReader(content))
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flowers is a request for so many rows to iris, in binary, and the length of its JSON.
func flowers(rows int, parameters string) (body []byte, headerLen int) {
	data := make([]byte, 0, 16*rows)
	for range rows {
		for _, v := range []float32{5.1, 3.5, 1.4, 0.2} {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	}
	body = fmt.Appendf(nil, `{%s"inputs":[{"name":"measurements","shape":[%d,4],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}`,
		parameters, rows, len(data))
	return append(body, data...), len(body)
}

// TestCompressedRequests: bodies may come compressed; Inference-Header-Content-Length counts what is inside.
func TestCompressedRequests(t *testing.T) {
	n := startNode(t, demoModels(t))
	for _, coding := range []string{"gzip", "x-gzip", "GZIP", "deflate"} {
		for range 2 { // the second time with what the first has left in pools
			n.do("POST", "/v2/models/iris/infer", bytes.NewReader(packed(t, strings.ToLower(coding), []byte(irisRequest))),
				"Content-Encoding", coding).want(t, 200, "setosa")
			body, headerLen := flowers(5000, "")
			n.do("POST", "/v2/models/iris/infer", bytes.NewReader(packed(t, strings.ToLower(coding), body)),
				"Content-Encoding", coding, oip.HeaderLengthName, strconv.Itoa(headerLen)).want(t, 200, "setosa")
			n.do("POST", "/v1/models/iris:predict", bytes.NewReader(packed(t, strings.ToLower(coding), []byte(`{"instances":[[5.1,3.5,1.4,0.2]]}`))),
				"Content-Encoding", coding).want(t, 200, "setosa")
		}
	}
	n.do("POST", "/v2/models/iris/infer", strings.NewReader(irisRequest), "Content-Encoding", "Identity").want(t, 200, "setosa")
}

// TestBadCompression: what is no such stream, and what we do not know, is said in so many words.
func TestBadCompression(t *testing.T) {
	n := startNode(t, demoModels(t))
	ask := func(coding, body string) answer {
		t.Helper()
		return n.do("POST", "/v2/models/iris/infer", strings.NewReader(body), "Content-Encoding", coding)
	}
	whole := string(packed(t, "gzip", []byte(irisRequest)))
	damaged := []byte(whole)
	damaged[len(damaged)-5] ^= 1 // in the checksum
	for name, a := range map[string]answer{
		"nothing":     ask("gzip", ""),
		"half a head": ask("gzip", "\x1f\x8b"),
		"JSON":        ask("gzip", irisRequest),
		"cut":         ask("gzip", whole[:len(whole)-9]),
		"damaged":     ask("gzip", string(damaged)),
		"more behind": ask("gzip", whole+"and more"),
	} {
		if a.want(t, 400, "the request's body is not gzip, as its Content-Encoding says"); t.Failed() {
			t.Fatal(name)
		}
	}
	ask("deflate", whole).want(t, 400, "the request's body is not deflate, as its Content-Encoding says")
	for _, coding := range []string{"br", "gzip, gzip", "zstd"} {
		a := ask(coding, irisRequest)
		a.want(t, 501, "Unsupported compression type")
		if got := a.header.Get("Accept-Encoding"); got != "gzip, deflate" {
			t.Errorf("Accept-Encoding is %q", got)
		}
	}
	ask("gzip", whole).want(t, 200, "setosa")
}

// TestBombs: a body is bounded by what it inflates to, to the byte, and takes no more memory than that.
func TestBombs(t *testing.T) {
	n := startNode(t, demoModels(t), func(c *backend.Config) { c.HTTP.MaxBody = 128 * conf.KiB })
	fill := func(size int) []byte {
		return packed(t, "gzip", []byte(strings.Replace(irisRequest, "{", "{"+strings.Repeat(" ", size-len(irisRequest)), 1)))
	}
	n.do("POST", "/v2/models/iris/infer", bytes.NewReader(fill(128<<10)), "Content-Encoding", "gzip").want(t, 200, "setosa")
	n.do("POST", "/v2/models/iris/infer", bytes.NewReader(fill(128<<10+1)), "Content-Encoding", "gzip").
		want(t, 413, "larger than 128KiB when inflated (max_body)")
	bomb := packed(t, "gzip", make([]byte, 64<<20)) // 64 KB
	n.do("POST", "/v2/models/iris/infer", bytes.NewReader(bomb), "Content-Encoding", "gzip").want(t, 413, "when inflated")
}

// TestCompressedAnswers: large answers are compressed for those who ask for it, as a whole; the header of binary data goes on
// counting what is inside.
func TestCompressedAnswers(t *testing.T) {
	n := startNode(t, demoModels(t))
	body, headerLen := flowers(200, `"parameters":{"binary_data_output":true},`)
	ask := func(accept string) answer {
		return n.do("POST", "/v2/models/iris/infer", bytes.NewReader(body), oip.HeaderLengthName, strconv.Itoa(headerLen), "Accept-Encoding", accept)
	}
	plain := ask("identity")
	plain.want(t, 200, "setosa")
	for accept, coding := range map[string]string{
		"gzip": "gzip", "deflate": "deflate", "gzip, deflate": "gzip", "gzip;q=0.5, deflate;q=0.8": "deflate", "*": "gzip", "br, *;q=0.1": "gzip",
		"br": "", "identity": "", "gzip;q=0": "", "gzip;q=0, *": "", "gzip;q=many": "", "": "",
	} {
		a := ask(accept)
		if got := a.header.Get("Content-Encoding"); got != coding {
			t.Errorf("Accept-Encoding %q: got %q, want %q", accept, got, coding)
			continue
		}
		text := a.body
		if coding != "" {
			text = unpacked(t, coding, text)
		}
		if text != plain.body {
			t.Errorf("Accept-Encoding %q: the answer is another", accept)
		}
		if got, want := a.header.Get(oip.HeaderLengthName), plain.header.Get(oip.HeaderLengthName); got != want {
			t.Errorf("Accept-Encoding %q: the JSON is %s bytes long, want %s", accept, got, want)
		}
	}
	small := n.do("POST", "/v2/models/iris/infer", strings.NewReader(irisRequest), "Accept-Encoding", "gzip")
	if small.want(t, 200, "setosa"); small.header.Get("Content-Encoding") != "" {
		t.Error("a small answer was compressed")
	}
}
