package hop

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The example frames of docs/hop.md, byte for byte: whoever writes another implementation starts with these.
func TestFramesOfTheSpecification(t *testing.T) {
	request := Request{
		Method: MethodPost, Path: []byte("/v2/models/m/infer"), ContentType: []byte("application/json"),
		InferenceHeaderLength: NoHeaderLength, RequestID: []byte("r-1"), Body: []byte("{}"),
		Headers: []Header{{[]byte("x-a"), []byte("b")}},
	}
	conditional := request
	conditional.Most = 2
	timely := request
	timely.Within = 3 * time.Millisecond
	response := Response{
		Status: 200, ContentType: []byte("application/json"), InferenceHeaderLength: NoHeaderLength, Body: []byte("{}"),
		Node: Load{Known: true, Queued: 1, InFlight: 2, Wait: 3 * time.Microsecond},
	}
	for _, example := range []struct {
		name string
		got  []byte
	}{
		{"settings", settingsFrame(settings{maxChunk: 65536, maxStreams: 1024, window: 1 << 20, maxBody: 64 << 20, chunkSums: 1})},
		{"settings with conditions", settingsFrame(settings{
			maxChunk: 65536, maxStreams: 1024, window: 1 << 20, maxBody: 64 << 20, chunkSums: 1, conditions: 1,
		})},
		{"request", headFrame(kindRequest, 1, flagEnd, appendRequestHead(nil, &request, time.Second), request.Body)},
		{"request with a condition", headFrame(kindRequest, 1, flagEnd, appendRequestHead(nil, &conditional, time.Second), request.Body)},
		{"request that may wait", headFrame(kindRequest, 1, flagEnd, appendRequestHead(nil, &timely, time.Second), request.Body)},
		{"response", headFrame(kindResponse, 1, flagEnd, appendResponseHead(nil, &response), response.Body)},
		{"chunk", frame(kindChunk, flagEnd, 3, []byte("abc"))},
		{"cancel", appendCancel(nil, 3, flagNotBegun, ReasonRefused, "full")},
		{"decline", appendCancel(nil, 3, flagNotBegun, ReasonDeclined, "")},
		{"window", appendWindow(nil, 3, 65536)},
		{"load", appendLoadFrame(nil, Load{
			Known: true, Queued: 1, InFlight: 2, Wait: 3 * time.Microsecond, Worked: 5 * time.Microsecond,
		}, 1)},
		{"ping", appendPing(nil, kindPing, 7)},
		{"goaway", appendGoaway(nil, 9, ReasonNone, "")},
	} {
		want, err := hex.DecodeString(strings.Join(strings.Fields(fenced(t, example.name)), ""))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(example.got, want) {
			t.Errorf("docs/hop.md has another %s frame than\n%s", example.name, hexLines(example.got))
		}
	}
}

// fenced returns the block of docs/hop.md that begins with "```hex" and the name.
func fenced(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/hop.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(page), "\n```hex "+name+"\n")
	block, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatalf("docs/hop.md has no block of the frame %q", name)
	}
	return block
}

func hexLines(b []byte) string {
	var out strings.Builder
	for line := range slices.Chunk(b, headerSize) {
		out.WriteString(hex.EncodeToString(line) + "\n")
	}
	return out.String()
}

func TestTableAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var tab table
	model := map[uint64]*stream{}
	var ids []uint64
	next := uint64(1)
	for range 200_000 {
		if r.IntN(100) < 50+len(ids)/20 && len(ids) > 0 {
			i := r.IntN(len(ids))
			if r.IntN(3) > 0 {
				i = min(i, r.IntN(5)) // the oldest mostly
			}
			tab.remove(ids[i])
			delete(model, ids[i])
			ids = append(ids[:i], ids[i+1:]...)
		} else {
			next += uint64(1 + r.IntN(2)*r.IntN(200))
			model[next] = &stream{}
			tab.add(next, model[next])
			ids = append(ids, next)
		}
		if tab.used != len(model) {
			t.Fatalf("%d entries, want %d", tab.used, len(model))
		}
		probe := uint64(r.IntN(int(next) + 2))
		if r.IntN(2) == 0 && len(ids) > 0 {
			probe = ids[r.IntN(len(ids))]
		}
		e := tab.find(probe)
		if want := model[probe]; (e == nil) != (want == nil) || e != nil && e.st != want {
			t.Fatalf("stream %d: got %v, want %v", probe, e, want)
		}
	}
}

func TestTraceparent(t *testing.T) {
	good := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for text, want := range map[string]bool{
		good:            true,
		good + "-later": false,
		"cc" + good[2:] + "-what-the-future-brings": true,
		"cc" + good[2:]:                    true,
		"cc" + good[2:] + ".":              false,
		"ff" + good[2:]:                    false,
		strings.ToUpper(good):              false,
		good[:54]:                          false,
		"":                                 false,
		strings.Replace(good, "-", "_", 1): false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01": false,
	} {
		trace, ok := ParseTraceparent([]byte(text))
		if ok != want {
			t.Errorf("ParseTraceparent(%q) is %v, want %v", text, ok, want)
		}
		if ok && string(trace.AppendTraceparent(nil)) != good {
			t.Errorf("%q came back as %q", text, trace.AppendTraceparent(nil))
		}
	}
}

func TestLoadHeader(t *testing.T) {
	node := Load{Known: true, Queued: 12, InFlight: 3, Wait: 4500 * time.Microsecond}
	model := Load{Known: true, Queued: 1, InFlight: 2}
	for _, test := range []struct {
		node, model Load
		want        string
	}{
		{Load{}, Load{}, ""},
		{node, Load{}, "TEXT named_metrics.queue_depth=12,named_metrics.in_flight=3,named_metrics.wait_us=4500"},
		{Load{}, model, "TEXT named_metrics.model_queue_depth=1,named_metrics.model_in_flight=2,named_metrics.model_wait_us=0"},
		{node, model, "TEXT named_metrics.queue_depth=12,named_metrics.in_flight=3,named_metrics.wait_us=4500," +
			"named_metrics.model_queue_depth=1,named_metrics.model_in_flight=2,named_metrics.model_wait_us=0"},
	} {
		got := string(AppendLoad(nil, test.node, test.model))
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if n, m := ParseLoad(got); n != test.node || m != test.model {
			t.Errorf("%q was read as %+v and %+v", got, n, m)
		}
	}
	for value, want := range map[string]Load{
		"TEXT cpu_utilization=0.3, named_metrics.queue_depth=4.0 , rps_fractional=9": {Known: true, Queued: 4},
		"TEXT named_metrics.queue_depth=-1,named_metrics.in_flight=NaN":              {},
		"TEXT named_metrics.queue_depth=1e99":                                        {},
		"TEXT named_metrics.wait_us=99999999999":                                     {},
		"TEXT queue_depth=3":                                                         {},
		"TEXT ,,=,named_metrics.":                                                    {},
		`JSON {"named_metrics":{"queue_depth":3}}`:                                   {},
		"": {},
	} {
		if got, _ := ParseLoad(value); got != want {
			t.Errorf("ParseLoad(%q) = %+v, want %+v", value, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	for m := MethodGet; m <= MethodQuery; m++ {
		if got, ok := ParseMethod([]byte(m.String())); !ok || got != m {
			t.Errorf("%v was read as %v, %v", m, got, ok)
		}
	}
	for _, name := range []string{"", "post", "TRACE", "CONNECT"} {
		if m, ok := ParseMethod([]byte(name)); ok {
			t.Errorf("%q was read as %v", name, m)
		}
	}
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{MaxBody: -1}.Validate()
	for _, want := range []string{
		"MaxStreams = 0: must be between 1 and 65536", "MaxBody = -1", "Window = 0", "use NewBudget", "HandshakeTimeout = 0s",
		"PingInterval", "PingTimeout", "WriteTimeout", "StallTimeout", "DrainTimeout",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to mention %q", err, want)
		}
	}
	if _, err := NewServer(echo, Config{}, nil); err == nil {
		t.Error("a server took an empty configuration")
	}
	if _, err := Open(nil, Config{}); err == nil {
		t.Error("a client took an empty configuration")
	}
}
