package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"ganglion/internal/testnode"
)

// say sends a request whose header lines reach the gateway exactly as given, each "Name: value".
func (e *edge) say(path, body string, headers ...string) answer {
	e.t.Helper()
	wire := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: edge\r\nContent-Length: %d\r\n", path, len(body))
	for _, h := range headers {
		wire += h + "\r\n"
	}
	return e.sayBytes(wire + "\r\n" + body)
}

// sayBytes sends the bytes of a request on a connection of its own and reads the answer.
func (e *edge) sayBytes(request string) answer {
	e.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// says makes a node answer with the given header lines.
func says(headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		io.WriteString(w, `{"model_name":"m"}`)
	}
}

// A node says of its own answers which of them another caller may get.
func TestANodeForbidsToKeepItsAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		kept    bool
	}{
		{"nothing", nil, true},
		{"an empty Vary", []string{"Vary: "}, true},
		{"Vary on what the key has", []string{"Vary: Accept-Encoding, accept", "Vary: Authorization"}, true},
		{"Vary on anything", []string{"Vary: *"}, false},
		{"Vary on what the key lacks", []string{"Vary: X-Tenant"}, false},
		{"Vary on both", []string{"Vary: Accept-Encoding, Accept-Language"}, false},
		{"Vary on a later line", []string{"Vary: Accept", "Vary: Origin"}, false},
		{"Vary hidden by Connection", []string{"Connection: Vary", "Vary: Origin"}, false},

		{"a long life", []string{"Cache-Control: public, max-age=3600"}, true},
		{"no-store on a later line", []string{"Cache-Control: public", "Cache-Control: No-Store"}, false},
		{"no-cache", []string{"Cache-Control: no-cache"}, false},
		{"no-cache for one field", []string{`Cache-Control: no-cache="x-user"`}, false},
		{"private for one field", []string{`Cache-Control: private="x-user"`}, false},
		{"private for two fields", []string{`Cache-Control: max-age=9, private="a, b"`}, false},
		{"max-age=0", []string{"Cache-Control: max-age=0"}, false},
		{"max-age=00 in quotes", []string{`Cache-Control: max-age="00"`}, false},
		{"max-age that is no number", []string{"Cache-Control: max-age=-1"}, false},
		{"s-maxage=0", []string{"Cache-Control: max-age=60, s-maxage=0"}, false},
		{"Cache-Control hidden by Connection", []string{"Connection: Cache-Control", "Cache-Control: no-store"}, false},

		{"two lengths", []string{"Inference-Header-Content-Length: 18", "Inference-Header-Content-Length: 17"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := testnode.Start(t)
			n.Handle(says(c.headers...))
			e := start(t, oneNode+cachedRoute, n)
			if got := e.infer().want(t, 200).header.Get("X-Cache"); got != "miss" {
				t.Errorf("X-Cache %q, want miss", got)
			}
			e.logged(1) // it is over, with all that follows an answer
			want := 0.0
			if c.kept {
				want = 1
			}
			if got := e.metric("ganglion_cache_entries"); got != want {
				t.Errorf("%v answers are kept, want %v", got, want)
			}
		})
	}
}

// What a client demands of the cache: to stay out of it, or an answer of the moment.
func TestAClientChoosesHowToUseTheCache(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	e.hit(func() answer { return e.say(inferPath, inferBody) })
	for _, c := range []struct {
		headers []string
		xcache  string
		use     string // in the access log
	}{
		{[]string{"Cache-Control: max-age=60"}, "hit", "hit"},
		{[]string{"Cache-Control: max-age=060", "Cache-Control: x=\"no-store\""}, "hit", "hit"},
		{[]string{"Pragma: other"}, "hit", "hit"},
		{[]string{"Cache-Control: no-store"}, "", "bypass"},
		{[]string{"Cache-Control: no-cache", "Cache-Control: no-store"}, "", "bypass"},
		{[]string{"Cache-Control: max-age=60", "Cache-Control: NO-CACHE"}, "miss", "refresh"},
		{[]string{"Cache-Control: max-age=0"}, "miss", "refresh"},
		{[]string{"Pragma: no-cache"}, "miss", "refresh"},
		{[]string{"Connection: Cache-Control", "Cache-Control: no-store"}, "", "bypass"},
	} {
		before := len(e.log.Lines())
		got := e.say(inferPath, inferBody, c.headers...).want(t, 200).header.Get("X-Cache")
		if got != c.xcache {
			t.Errorf("%q: X-Cache %q, want %q", c.headers, got, c.xcache)
		}
		lines := e.logged(before + 1)
		if use := lines[len(lines)-1]["cache"]; use != c.use {
			t.Errorf("%q: the log says %v, want %s", c.headers, use, c.use)
		}
	}
}

// A header that occurs twice reaches a node twice, and which of the two it believes is its own affair.
func TestTwoValuesOfOneHeaderStayOutOfTheCache(t *testing.T) {
	length := strconv.Itoa(len(inferBody))
	for name, value := range map[string]string{
		"Inference-Header-Content-Length": length,
		"Authorization":                   "Bearer a",
		"X-Api-Key":                       "a",
		"Accept":                          "application/json",
		"Content-Encoding":                "identity",
		"Accept-Encoding":                 "identity",
	} {
		t.Run(name, func(t *testing.T) {
			n := testnode.Start(t)
			e := start(t, oneNode+cachedRoute, n)
			e.hit(func() answer { return e.say(inferPath, inferBody, name+": "+value) })
			for _, second := range []string{value, "1"} {
				before, asked := len(e.log.Lines()), n.Requests()
				got := e.say(inferPath, inferBody, name+": "+value, strings.ToLower(name)+": "+second).want(t, 200)
				if x := got.header.Get("X-Cache"); x != "" || n.Requests() != asked+1 {
					t.Errorf("%q after %q: X-Cache %q, the node was asked %d times", second, value, x, n.Requests()-asked)
				}
				e.logged(before + 1)
				if got := e.metric("ganglion_cache_entries"); got != 1 {
					t.Errorf("%q after %q: %v answers are kept, want the first one only", second, value, got)
				}
			}
		})
	}
}

// Of these two fasthttp makes one before anybody looks: what makes the key is what the node gets.
func TestMergedHeadersAreOneQuestion(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	for _, header := range []string{"Cookie: who=a", "Content-Type: application/json"} {
		e.hit(func() answer { return e.say(inferPath, inferBody, header) })
		name, _, _ := strings.Cut(header, ":")
		got := e.say(inferPath, inferBody, header, name+": other=b").want(t, 200)
		if got.header.Get("X-Cache") != "miss" {
			t.Errorf("a second %s was answered from memory", name)
		}
		seen := n.Last().Header.Values(name)
		e.hit(func() answer { return e.say(inferPath, inferBody, name+": "+seen[0]) })
		if len(seen) != 1 {
			t.Errorf("the node got %q", seen)
		}
	}
}

// What tells callers apart goes all the way to the node, however the client tries to keep it from there: an answer to
// nobody must not be kept as the answer to somebody, nor the other way round.
func TestTheKeyIsMadeOfWhatTheNodeGets(t *testing.T) {
	n := testnode.Start(t)
	n.Handle(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"model_name":%q}`, r.Header.Get("X-Api-Key")+r.Header.Get("Accept")+r.Header.Get("Accept-Encoding"))
	})
	e := start(t, oneNode+cachedRoute, n)
	for name, value := range map[string]string{"X-Api-Key": "secret", "Accept": "text/x", "Accept-Encoding": "br"} {
		if got := e.say(inferPath, inferBody, name+": "+value, "Connection: "+name).want(t, 200); !strings.Contains(got.body, value) {
			t.Errorf("Connection took %s from the node, which said %s", name, got.body)
		}
		if got := e.hit(func() answer { return e.say(inferPath, inferBody, name+": "+value) }); !strings.Contains(got.body, value) {
			t.Errorf("%s: %s has %s in memory", name, value, got.body)
		}
	}
	// A trailer never reaches a node, and takes the header of its name along.
	chunked := func(key, trailer string) answer {
		return e.sayBytes("POST " + inferPath + " HTTP/1.1\r\nHost: edge\r\n" + key + "Transfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n%s\r\n", len(inferBody), inferBody, trailer))
	}
	for _, key := range []string{"", "X-Api-Key: other\r\n"} {
		if got := chunked(key, "X-Api-Key: victim\r\n").want(t, 200); !strings.Contains(got.body, `"model_name":""`) {
			t.Errorf("the node said %s", got.body)
		}
	}
	for _, key := range []string{"other", "victim"} {
		got := e.say(inferPath, inferBody, "X-Api-Key: "+key).want(t, 200)
		if !strings.Contains(got.body, key) {
			t.Errorf("%s got %s (%s)", key, got.body, got.header.Get("X-Cache"))
		}
	}
}

// A key can be spelled with escapes, and a sequence must not be missed because of that.
func TestAnEscapedSequenceIsNotCached(t *testing.T) {
	n := testnode.Start(t)
	e := start(t, oneNode+cachedRoute, n)
	body := func(key string) string { return `{"parameters":{"` + key + `":7},"inputs":[]}` }
	for key, keeps := range map[string]bool{
		`sequence_id`:              false,
		`sequence\u005fid`:         false,
		`\u0073equence_id`:         false,
		`caf\u00e9 sequence\u005F`: false,
		`caf\u00e9 \u0020\u00`:     true, // letters that need an escape, or may have one, but are in no name of ours
	} {
		got := e.do("POST", inferPath, body(key)).want(t, 200).header.Get("X-Cache")
		if keeps != (got == "miss") || !keeps && got != "" {
			t.Errorf("%s: X-Cache %q", key, got)
		}
	}
	e.logged(5)
	if got := e.metric("ganglion_cache_entries"); got != 1 {
		t.Errorf("%v answers are kept, want 1", got)
	}
}

// X-Cache is the gateway's word. A node that has a cache of its own says nothing about ours.
func TestXCacheIsOnlyOurs(t *testing.T) {
	n := testnode.Start(t)
	n.Handle(says("X-Cache: hit from a node", "x-cache: again"))
	for name, c := range map[string]struct {
		route, path string
		headers     []string
		want        []string
	}{
		"uncached route": {anyRoute, inferPath, nil, nil},
		"uncached call":  {cachedRoute, "/v2/models/m/ready", nil, nil},
		"bypass":         {cachedRoute, inferPath, []string{"Cache-Control: no-store"}, nil},
		"refresh":        {cachedRoute, inferPath, []string{"Cache-Control: no-cache"}, []string{"miss"}},
		"miss":           {cachedRoute, inferPath, nil, []string{"miss"}},
	} {
		e := start(t, oneNode+c.route, n)
		method := "POST"
		if strings.HasSuffix(c.path, "/ready") {
			method = "GET"
		}
		got := e.do(method, c.path, inferBody, c.headers...).want(t, 200).header.Values("X-Cache")
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: X-Cache %q, want %q", name, got, c.want)
		}
	}
}

// A hit gives back the answer itself, not what its first messenger had to say.
func TestAHitHasTheAnswerOnly(t *testing.T) {
	n := testnode.Start(t)
	n.Handle(says("X-Node-Id: 7", `ETag: "x"`))
	e := start(t, oneNode+cachedRoute, n)
	if first := e.infer(); first.header.Get("X-Node-Id") != "7" || first.header.Get("ETag") == "" {
		t.Errorf("a node's own headers are gone: %v", first.header)
	}
	got := e.hit(func() answer { return e.infer() })
	if got.header.Get("X-Node-Id") != "" || got.header.Get("ETag") != "" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("the hit has %v", got.header)
	}
}
