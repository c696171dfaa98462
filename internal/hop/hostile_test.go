package hop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// broken returns the frame with one byte changed.
func broken(f []byte, at int) []byte {
	f = bytes.Clone(f)
	f[at] ^= 0x20
	return f
}

// resized returns the frame with a header that announces another length, honestly summed.
func resized(f []byte, length uint32) []byte {
	f = bytes.Clone(f)
	h, err := parseHeader(f)
	if err != nil {
		panic(err)
	}
	h.length = length
	h.put(f)
	return f
}

// join puts frames one after the other.
func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// A client that breaks the rules is told which, cut off, and harms nobody else.
func TestClientThatBreaksTheRules(t *testing.T) {
	lyingHead := requestFrame(1, "x")
	binary.LittleEndian.PutUint16(lyingHead[headerSize:], 60_000)
	sealFrame(lyingHead, 0, kindRequest, flagEnd, 1)
	tests := []struct {
		name string
		send []byte
		want string // in the reason
	}{
		{"damaged header", broken(requestFrame(1, "x"), 9), "header with checksum"},
		{"damaged payload", broken(requestFrame(1, "x"), 60), "payload checksum"},
		{"reserved bytes", func() []byte {
			f := requestFrame(1, "x")
			f[6] = 1
			return resum(f)
		}(), "reserved"},
		{"second settings", settingsFrame(usual()), "settings"},
		{"stream zero", requestFrame(0, "x"), "stream 0"},
		{"stream twice", join(requestFrame(1, "x"), requestFrame(1, "x")), "after stream 1"},
		{"streams falling", join(requestFrame(9, "x"), requestFrame(8, "x")), "after stream 9"},
		{"chunk of nothing begun", frame(kindChunk, 0, 7, []byte("x")), "not begun"},
		{"window of nothing begun", appendWindow(nil, 7, 1), "not begun"},
		{"cancel of nothing begun", appendCancel(nil, 7, 0, ReasonCanceled, ""), "not begun"},
		{"response from a client", responseFrame(1, "x"), "response frame from a client"},
		{"unknown kind", frame(77, 0, 0, nil), "kind 77"},
		{"kind zero", frame(0, 0, 0, nil), "kind 0"},
		{"huge request frame", resized(requestFrame(1, "x"), 1<<31), "accepted are"},
		{"huge optional frame", resized(frame(77, flagOptional, 0, nil), 1<<31), "kind 77"},
		{"huge chunk", join(requestHeadFrame(1, 1<<20), resized(frame(kindChunk, 0, 1, []byte("x")), 1<<30)), "chunk frame of"},
		{"empty chunk", join(requestHeadFrame(1, 1<<20), frame(kindChunk, 0, 1, nil)), "chunk frame of 0"},
		{"head longer than the frame", lyingHead, "shorter than its head"},
		{"no head at all", frame(kindRequest, flagEnd, 1, nil), "shorter than its head"},
		{"end too early", join(requestHeadFrame(1, 1<<20), frame(kindChunk, flagEnd, 1, []byte("x"))), "end flag true"},
		{"end missing", join(requestHeadFrame(1, 1), frame(kindChunk, 0, 1, []byte("x"))), "end flag false"},
		{"request ends short", headFrame(kindRequest, 1, flagEnd, requestHeadFrame(1, 9)[headerSize:], []byte("x")), "end flag true"},
		{"more than announced", join(requestHeadFrame(1, 3), frame(kindChunk, 0, 1, []byte("four"))), "more than the 3 bytes"},
		{"chunk after the end", join(requestFrame(1, "x"), frame(kindChunk, 0, 1, []byte("x"))), "before its head"},
		{"window of zero", join(requestFrame(1, "x"), appendWindow(nil, 1, 0)), "grants nothing"},
		{"short window", join(requestFrame(1, "x"), frame(kindWindow, 0, 1, []byte("xx"))), "window frame of 2"},
		{"short ping", frame(kindPing, 0, 0, []byte("x")), "ping frame of 1"},
		{"ping on a stream", frame(kindPing, 0, 5, make([]byte, 8)), "stream 5"},
		{"short cancel", join(requestFrame(1, "x"), frame(kindCancel, 0, 1, []byte("x"))), "cancel frame of 1"},
		{"short goaway", frame(kindGoaway, 0, 0, []byte("x")), "goaway frame of 1"},
		{"plain HTTP", []byte("GET / HTTP/1.1\r\nHost: node\r\n\r\n"), "checksum"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			hold := make(chan struct{})
			p, end := clientPeer(t, DefaultConfig(), func(ctx context.Context, _ *Request, resp *Response) {
				resp.Status = 200
				select { // streams stay open while the rest of the frames come
				case <-ctx.Done():
				case <-hold:
				}
			})
			p.write(test.send)
			reason, text := p.wantEnd()
			close(hold)
			if reason != ReasonProtocol || !strings.Contains(text, test.want) {
				t.Errorf("the peer was told %v: %q, want protocol error with %q", reason, text, test.want)
			}
			err := await(t, end)
			if _, ok := errors.AsType[*ProtocolError](err); !ok {
				t.Errorf("Serve returned %v, want a ProtocolError", err)
			}
		})
	}
}

// resum gives a frame's header a checksum that fits again.
func resum(f []byte) []byte {
	binary.LittleEndian.PutUint32(f[20:], headerSum(f))
	return f
}

// A server that breaks the rules fails the exchanges it had, with an error that tells whether they may be repeated.
func TestServerThatBreaksTheRules(t *testing.T) {
	tests := []struct {
		name string
		send []byte
		want string
	}{
		{"request from a server", requestFrame(1, "x"), "request frame from a server"},
		{"response to nothing", responseFrame(2, "x"), "which is not open"},
		{"response on stream zero", responseFrame(0, "x"), "which is not open"},
		{"cancel of nothing", appendCancel(nil, 2, 0, ReasonFailed, ""), "which is not open"},
		{"chunk of nothing", frame(kindChunk, 0, 2, []byte("x")), "which is not open"},
		{"window of nothing", appendWindow(nil, 2, 1), "which is not open"},
		{"chunk before the head", frame(kindChunk, 0, 1, []byte("x")), "before its head"},
		{"two heads", join(responseHeadFrame(1, 100), responseHeadFrame(1, 100)), "second response"},
		{"ends short", headFrame(kindResponse, 1, flagEnd, responseHeadFrame(1, 9)[headerSize:], []byte("x")), "end flag true"},
		{"goes on without end", headFrame(kindResponse, 1, 0, responseHeadFrame(1, 1)[headerSize:], []byte("x")), "end flag false"},
		{"short head", frame(kindResponse, flagEnd, 1, []byte{44, 0}), "shorter than its head"},
		{"tiny head", frame(kindResponse, flagEnd, 1, []byte{9}), "shorter than its head"},
		{"goaway that takes back", join(appendGoaway(nil, 5, ReasonNone, ""), appendGoaway(nil, 9, ReasonNone, "")), "after one that accepted 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, p, end := serverPeer(t, DefaultConfig(), usual())
			var x Exchange
			done := do(c, post(&x, []byte("body")))
			p.want(kindRequest, 1)
			p.nc.Write(test.send)
			reason, text := p.wantEnd()
			if reason != ReasonProtocol || !strings.Contains(text, test.want) {
				t.Errorf("the peer was told %v: %q, want protocol error with %q", reason, text, test.want)
			}
			err := within(t, "the end of the exchange", done)
			if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Code != CodeBroken || !e.Begun) {
				t.Errorf("Do returned %v, want broken with Begun", err)
			}
			if _, ok := errors.AsType[*ProtocolError](await(t, end)); !ok {
				t.Errorf("Run returned %v, want a ProtocolError", await(t, end))
			}
		})
	}
}

func TestUnknownKindsMayBeOptional(t *testing.T) {
	p, _ := clientPeer(t, DefaultConfig(), echo)
	p.write(join(frame(200, flagOptional, 3, bytes.Repeat([]byte("later"), 1000)), requestFrame(1, "x")))
	p.want(kindResponse, 1)
}

func TestUnknownSettingsAreSkipped(t *testing.T) {
	payload := binary.LittleEndian.AppendUint64([]byte{settingMaxStreams, 0}, 7)
	payload = binary.LittleEndian.AppendUint64(append(payload, 0xff, 0xff), 1<<63)
	s, err := parseSettings(payload)
	if err != nil || s.maxStreams != 7 || s.window != minWindow {
		t.Errorf("got %+v and %v, want 7 streams and the other defaults", s, err)
	}
}

func TestBadSettings(t *testing.T) {
	pair := func(id uint16, value uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(nil, id), value)
	}
	for name, payload := range map[string][]byte{
		"odd size":       make([]byte, 9),
		"id zero twice":  make([]byte, 20),
		"falling ids":    join(pair(3, 1<<20), pair(1, 1<<16)),
		"no streams":     pair(settingMaxStreams, 0),
		"tiny window":    pair(settingWindow, 1),
		"endless window": pair(settingWindow, 1<<40),
		"tiny chunks":    pair(settingMaxChunk, 1),
		"negative body":  pair(settingMaxBody, 1<<63),
		"odd sums":       pair(settingChunkSums, 2),
		"odd conditions": pair(settingConditions, 2),
	} {
		if s, err := parseSettings(payload); err == nil {
			t.Errorf("%s: got %+v, want an error", name, s)
		}
	}
}

func TestFirstFrameMustBeSettings(t *testing.T) {
	clientSide, serverSide := connected(t)
	p := newPeer(t, serverSide)
	p.write(requestFrame(1, "x"))
	_, err := Open(clientSide, DefaultConfig())
	if err == nil || !strings.Contains(err.Error(), "want settings") {
		t.Errorf("Open returned %v, want an error that misses the settings", err)
	}
}
