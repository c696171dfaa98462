package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"ganglion/internal/oip"
	"ganglion/internal/testnode"
)

const cachedRoute = "[routes.\"*\"]\npool = \"main\"\ncache = { ttl = \"1h\" }\n"

// hit repeats a request until memory answers it, since answers are stored after they were given.
func (e *edge) hit(do func() answer) answer {
	e.t.Helper()
	var a answer
	eventually(e.t, "an answer out of memory", func() bool {
		a = do().want(e.t, 200)
		return a.header.Get("X-Cache") == "hit"
	})
	return a
}

func TestARepeatedQuestionIsAnsweredFromMemory(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	first := e.infer().want(t, 200)
	if got := first.header.Get("X-Cache"); got != "miss" {
		t.Errorf("the first answer says %q, want miss", got)
	}
	again := e.hit(func() answer { return e.infer() })
	asked := n.Requests()
	for range 10 {
		e.hit(func() answer { return e.infer() })
	}
	if n.Requests() != asked {
		t.Errorf("the node was asked %d more times", n.Requests()-asked)
	}
	if again.body != first.body && !sameJSON(t, again.body, first.body) {
		t.Errorf("memory says\n%s, the node said\n%s", again.body, first.body)
	}
	if got := again.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	if hits := e.metric("ganglion_cache_hits_total"); hits < 11 {
		t.Errorf("%v hits are counted, want at least 11", hits)
	}
	if got := e.metric("ganglion_cache_entries"); got != 1 {
		t.Errorf("%v entries, want 1", got)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	x, y := parse(t, a), parse(t, b)
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func TestEachCallerGetsItsOwnID(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	ask := func(id string) func() answer {
		return func() answer {
			return e.do("POST", inferPath, `{"inputs":[{"name":"input","datatype":"FP32","shape":[1,1],"data":[7]}]`+id+`}`)
		}
	}
	e.hit(ask(`,"id":"first"`))
	for id, want := range map[string]any{`,"id":"other"`: "other", `,"id":"q\"\\\u00e9"`: "q\"\\\u00e9", ``: nil} {
		got := ask(id)()
		if got.header.Get("X-Cache") != "hit" {
			t.Errorf("id %q: %s, want a hit: the id is no part of the question", id, got.header.Get("X-Cache"))
		}
		if have := parse(t, got.body)["id"]; have != want {
			t.Errorf("id %q: the answer has %v, want %v: %s", id, have, want, got.body)
		}
		if parse(t, got.body)["model_name"] != "m" {
			t.Errorf("id %q: the answer is %s", id, got.body)
		}
	}
}

// A binary answer carries the length of its JSON, which the id is part of.
func TestTheHeaderLengthOfABinaryAnswerFollowsTheID(t *testing.T) {
	n := testnode.Start(t)
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		length, _ := strconv.Atoi(r.Header.Get("Inference-Header-Content-Length"))
		id := ""
		if _, rest, ok := strings.Cut(string(b[:length]), `"id":"`); ok {
			id, _, _ = strings.Cut(rest, `"`)
			id = `"id":"` + id + `",`
		}
		json := `{` + id + `"model_name":"m","outputs":[{"name":"o","datatype":"UINT8","shape":[3],"parameters":{"binary_data_size":3}}]}`
		w.Header().Set("Inference-Header-Content-Length", strconv.Itoa(len(json)))
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write([]byte(json + "\x01{\xff"))
	})
	e := start(t, oneNode+cachedRoute, n)
	ask := func(id string, tensor string) func() answer {
		json := `{` + id + `"inputs":[{"name":"i","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}]}`
		return func() answer {
			return e.do("POST", inferPath, json+tensor, "Inference-Header-Content-Length: "+strconv.Itoa(len(json)))
		}
	}
	check := func(a answer, id any) {
		t.Helper()
		length, err := strconv.Atoi(a.header.Get("Inference-Header-Content-Length"))
		if err != nil || length > len(a.body) || a.body[length:] != "\x01{\xff" {
			t.Fatalf("header length %q of %q: %v", a.header.Get("Inference-Header-Content-Length"), a.body, err)
		}
		if got := parse(t, a.body[:length])["id"]; got != id {
			t.Errorf("id %v, want %v", got, id)
		}
		if got := a.header.Get("Content-Type"); got != "application/octet-stream" {
			t.Errorf("content type %q", got)
		}
	}
	check(e.hit(ask(`"id":"one",`, "ab")), "one")
	check(ask(`"id":"a much longer one",`, "ab")(), "a much longer one")
	check(ask(``, "ab")(), nil)
	if got := ask(`"id":"one",`, "ac")(); got.header.Get("X-Cache") != "miss" {
		t.Error("other tensors were answered from memory")
	}
}

func TestV1AnswersAreCachedToo(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	got := e.hit(func() answer { return e.do("POST", "/v1/models/m:predict", `{"instances":[1],"id":"x"}`) })
	if got.body != `{"predictions":[1]}` {
		t.Errorf("got %q", got.body)
	}
	// In v1 an id is data like any other.
	if got := e.do("POST", "/v1/models/m:predict", `{"instances":[1],"id":"y"}`); got.header.Get("X-Cache") != "miss" {
		t.Error("another question was answered from memory")
	}
}

func TestWhatIsAskedDifferentlyIsAnotherQuestion(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	e.hit(func() answer { return e.infer() })
	for name, ask := range map[string]func() answer{
		"another body":        func() answer { return e.do("POST", inferPath, strings.Replace(inferBody, "[1]}", "[2]}", 1)) },
		"another model":       func() answer { return e.do("POST", "/v2/models/other/infer", inferBody) },
		"a version":           func() answer { return e.do("POST", "/v2/models/m/versions/1/infer", inferBody) },
		"another protocol":    func() answer { return e.do("POST", "/v1/models/m:predict", inferBody) },
		"a query":             func() answer { return e.do("POST", inferPath+"?a=b", inferBody) },
		"another caller":      func() answer { return e.infer("Authorization: Bearer other") },
		"an API key":          func() answer { return e.infer("X-Api-Key: other") },
		"a cookie":            func() answer { return e.infer("Cookie: who=other") },
		"another content":     func() answer { return e.infer("Content-Type: text/json") },
		"a compressed answer": func() answer { return e.infer("Accept-Encoding: gzip") },
		"a compressed body":   func() answer { return e.infer("Content-Encoding: gzip") },
		"a binary framing": func() answer {
			return e.infer("Inference-Header-Content-Length: " + strconv.Itoa(len(inferBody)))
		},
	} {
		if got := ask(); got.header.Get("X-Cache") != "miss" {
			t.Errorf("%s was answered from memory", name)
		}
	}
}

func TestTheClientCanAskForAFreshAnswer(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	e.hit(func() answer { return e.infer() })
	n.Handle(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"model_name":"new"}`)) })
	if got := e.infer("Cache-Control: max-age=5, No-Cache"); !strings.Contains(got.body, "new") || got.header.Get("X-Cache") != "miss" {
		t.Errorf("no-cache got %q (%s)", got.body, got.header.Get("X-Cache"))
	}
	eventually(t, "the fresh answer kept", func() bool { return strings.Contains(e.infer().body, "new") })
	n.Handle(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"model_name":"secret"}`)) })
	if got := e.infer("Cache-Control: no-store"); !strings.Contains(got.body, "secret") {
		t.Errorf("no-store got %q", got.body)
	}
	e.logged(3)
	if got := e.infer(); !strings.Contains(got.body, "new") {
		t.Errorf("after no-store memory says %q", got.body)
	}
}

func TestWhatIsNeverKept(t *testing.T) {
	ok := func(header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, h := range header {
				name, value, _ := strings.Cut(h, ": ")
				w.Header().Set(name, value)
			}
			w.Write([]byte(`{"model_name":"m"}`))
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			w.Write([]byte(`{"model_name":"m"}`))
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		body   string
		xcache string
	}{
		"a client's error":        {status(400), inferBody, "miss"},
		"a node's error":          {status(500), inferBody, "miss"},
		"another success":         {status(202), inferBody, "miss"},
		"a node that forbids it":  {ok("Cache-Control: no-store"), inferBody, "miss"},
		"a private answer":        {ok("Cache-Control: private"), inferBody, "miss"},
		"a cookie":                {ok("Set-Cookie: a=b"), inferBody, "miss"},
		"a compressed answer":     {ok("Content-Encoding: gzip"), inferBody, "miss"},
		"an answer with two ids":  {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"id":"a","id":"b"}`)) }, inferBody, "miss"},
		"no JSON":                 {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`plain`)) }, inferBody, "miss"},
		"a sequence":              {ok(), `{"id":"q","parameters":{"sequence_id":7},"inputs":[]}`, ""},
		"a question with two ids": {ok(), `{"id":"q","id":"r","inputs":[]}`, ""},
		"an id that is a number":  {ok(), `{"id":7,"inputs":[]}`, ""},
		"a question that is none": {ok(), `[]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := testnode.Start(t)
			e := start(t, oneNode+cachedRoute, n)
			n.Handle(c.answer)
			for i := range 3 {
				got := e.do("POST", inferPath, c.body)
				if x := got.header.Get("X-Cache"); x != c.xcache {
					t.Errorf("X-Cache %q, want %q", x, c.xcache)
				}
				e.logged(i + 1) // it is over, with all that follows an answer
			}
			if got := n.Requests(); got != 3 {
				t.Errorf("the node was asked %d times, want 3", got)
			}
			if got := e.metric("ganglion_cache_entries"); got != 0 {
				t.Errorf("%v answers are kept", got)
			}
		})
	}
}

func TestUncachedRoutesSayNothingOfACache(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+anyRoute, n)
	for range 3 {
		if got := e.infer().header.Get("X-Cache"); got != "" {
			t.Errorf("X-Cache %q", got)
		}
	}
}

func TestMetadataIsNotCached(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	for range 3 {
		if got := e.do("GET", "/v2/models/m", "").want(t, 200).header.Get("X-Cache"); got != "" {
			t.Errorf("X-Cache %q", got)
		}
	}
	if n.Requests() != 3 {
		t.Errorf("the node was asked %d times, want 3", n.Requests())
	}
}

// Whatever object a node sends: without its id and with another one spliced in, it is the same object under that id.
func FuzzSplicedID(f *testing.F) {
	f.Add([]byte(`{"id":"a","x":1}`), "b")
	f.Add([]byte(` { } `), "")
	f.Add([]byte(`{"x":{"id":"inner"},"id":"a"}`), "\"\\")
	f.Fuzz(func(t *testing.T, object []byte, id string) {
		var want map[string]any
		if json.Unmarshal(object, &want) != nil || want == nil || !utf8.ValidString(id) {
			return
		}
		_, start, end, ok := oip.CutID(object)
		if !ok {
			return
		}
		kept := append(append([]byte(nil), object[:start]...), object[end:]...)
		raw, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		head := appendID(nil, kept, raw)
		whole := append(head, kept[bytes.IndexByte(kept, '{')+1:]...)
		var got map[string]any
		if err := json.Unmarshal(whole, &got); err != nil {
			t.Fatalf("%q became %q: %v", object, whole, err)
		}
		want["id"] = id
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %q", object, whole)
		}
	})
}
