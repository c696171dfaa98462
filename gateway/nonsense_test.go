package gateway

import (
	"net/http"
	"testing"

	"ganglion/internal/testnode"
)

func TestNonsenseOfOneNodeReachesNobody(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{
		"a page that calls itself JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("<html>It works!</html>"))
		},
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<html>It works!</html>"))
		},
		"nothing": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json") },
		"a list": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = w.Write([]byte(" []"))
		},
		"binary data without JSON in front": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Inference-Header-Content-Length", "4")
			_, _ = w.Write([]byte("\x00\x00\x80\x3f"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			sick, well := testnode.Start(t), testnode.Start(t)
			e := start(t, twoNodes+anyRoute, sick, well)
			sick.Handle(bad)
			for range 20 { // more than it takes to open a circuit
				if got := e.infer().want(t, 200); got.node() != well.Name() {
					t.Fatalf("%q came from %q", got.body, got.node())
				}
			}
			if asked := sick.Requests(); asked == 0 || asked >= 20 {
				t.Errorf("the node was asked %d times: want a few, until it is left alone", asked)
			}
			well.Handle(bad)
			if got := e.infer(); got.status != 502 || got.message() == "" {
				t.Errorf("with nonsense from all: %d %q", got.status, got.body)
			}
		})
	}
}

func TestAnswersThatAreNoneOfOursBusinessPass(t *testing.T) {
	for name, odd := range map[string]http.HandlerFunc{
		"blanks in front": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("\n\t {}"))
		},
		"raw bytes": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write([]byte("\x00\x00\x80\x3f"))
		},
		"raw bytes, counted": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Inference-Header-Content-Length", "0")
			_, _ = w.Write([]byte("\x00\x00\x80\x3f"))
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("\x0b\x00\x80{}\x03"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := testnode.Start(t)
			e := start(t, oneNode+anyRoute, n)
			n.Handle(odd)
			e.infer().want(t, 200)
		})
	}
}
