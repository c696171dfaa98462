package hop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// FuzzHeads: whatever is decoded is encoded to the same bytes, so that nothing in a head goes unnoticed.
func FuzzHeads(f *testing.F) {
	f.Add(requestFrame(1, "body")[headerSize:], false)
	f.Add(responseFrame(1, "body")[headerSize:], true)
	f.Add(requestHeadFrame(1, 100_000)[headerSize:], false)
	f.Add([]byte{56, 0}, false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, p []byte, response bool) {
		if response {
			var r Response
			d, err := readResponseHead(p, &r)
			if err != nil || r.headLimit() != "" && int64(r.InferenceHeaderLength) <= d.body {
				return
			}
			r.Body = make([]byte, min(d.body, 1<<20))
			again := appendResponseHead(nil, &r)
			if d.body <= 1<<20 && !sameHead(again, p[:d.size], 18, 44) {
				t.Errorf("decoded %x, encoded %x", p[:d.size], again)
			}
			return
		}
		var r Request
		d, err := readRequestHead(p, &r)
		if err != nil {
			return
		}
		r.forbidden()
		r.Body = make([]byte, min(d.body, 1<<20))
		if r.headLimit() != "" || d.body > 1<<20 {
			return
		}
		again := appendRequestHead(nil, &r, d.left)
		left := binary.LittleEndian.Uint64(p[16:])
		if left < 1<<53 && !sameHead(again, p[:d.size], 24, 49) {
			t.Errorf("decoded %x, encoded %x", p[:d.size], again)
		}
	})
}

// sameHead compares two heads but for the bytes from low to high, in which several encodings mean the same (a trace without an
// id, loads that are not known, the zero byte before them).
func sameHead(a, b []byte, low, high int) bool {
	return len(a) == len(b) && bytes.Equal(a[:low], b[:low]) && bytes.Equal(a[high:], b[high:])
}

// FuzzControl: no payload of a control frame makes a decoder panic.
func FuzzControl(f *testing.F) {
	f.Add(settingsFrame(usual())[headerSize:])
	f.Add(appendCancel(nil, 1, 0, ReasonFailed, "why")[headerSize:])
	f.Add(appendGoaway(nil, 1, ReasonFailed, "why")[headerSize:])
	f.Add(appendLoadFrame(nil, Load{Known: true, Queued: 1, InFlight: 2, Worked: time.Millisecond}, 1)[headerSize:])
	f.Add(appendLoadFrame(nil, Load{}, 0)[headerSize : headerSize+loadFrameLeast])
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, p []byte) {
		if s, err := parseSettings(p); err == nil && (s.maxChunk < minChunk || s.window < minWindow || s.window > maxWindow || s.maxStreams < 1) {
			t.Errorf("accepted %+v", s)
		}
		if r, text, err := parseCancel(p); err == nil {
			_, _, _ = r.String(), printable(text), codeOf(r)
		}
		if _, r, text, err := parseGoaway(p); err == nil {
			_, _ = r.String(), printable(text)
		}
		parseWindow(p)
		parsePing(p)
		if l, own, err := parseLoadFrame(p); err == nil {
			said := p[:loadFrameLeast]
			if len(p) >= loadFrameSize {
				said = p[:loadFrameSize]
			}
			if again := appendLoadFrame(nil, l, own)[headerSize:]; !bytes.HasPrefix(again, said) {
				t.Errorf("decoded %x, encoded %x", p, again)
			}
		}
		if len(p) >= headerSize {
			if h, err := parseHeader(p); err == nil {
				again := make([]byte, headerSize)
				h.put(again)
				if !bytes.Equal(again, p[:headerSize]) {
					t.Errorf("decoded %x, encoded %x", p[:headerSize], again)
				}
			}
		}
		ParseLoad(string(p))
		ParseTraceparent(p)
		Negotiate(p)
	})
}

// script turns fuzzed bytes into frames that get past the checksums: each step is a kind, flags, a stream, a size, and how much
// of what follows is the payload. A few steps send the rest as it is.
func script(steps []byte) []byte {
	var out []byte
	take := func(n int) []byte {
		n = min(n, len(steps))
		piece := steps[:n]
		steps = steps[n:]
		return piece
	}
	for len(steps) > 0 {
		op := append(take(4), 0, 0, 0, 0)
		id := uint64(op[2] % 16)
		switch k := op[0] % 16; k {
		case 0:
			return append(out, steps...)
		case 10:
			out = append(out, requestFrame(id, string(take(int(op[3]))))...)
		case 11:
			out = append(out, requestHeadFrame(id, int(op[3])<<(op[1]%16))...)
		case 12:
			out = append(out, responseFrame(id, string(take(int(op[3]))))...)
		case 13:
			out = append(out, responseHeadFrame(id, int(op[3])<<(op[1]%16))...)
		case 14:
			out = append(out, frame(kindChunk, op[1]&flagEnd, id, make([]byte, int(op[3])<<(op[1]%9)))...)
		default:
			out = append(out, frame(kind(k), op[1], id*uint64(op[1]&1), take(int(op[3])))...)
		}
	}
	return out
}

// fuzzConfig gives up quickly.
func fuzzConfig() Config {
	cfg := DefaultConfig()
	cfg.MaxStreams, cfg.MaxBody, cfg.Budget = 8, 4<<20, NewBudget(8<<20)
	cfg.HandshakeTimeout, cfg.DrainTimeout, cfg.WriteTimeout = time.Second, time.Second, time.Second
	return cfg
}

// seeds are scripts that reach far.
func seeds(f *testing.F) {
	f.Add([]byte{10, 0, 1, 2, 'h', 'i', 10, 0, 2, 0, 5, 0, 1, 4, 1, 0, 0, 0})
	f.Add([]byte{11, 12, 1, 200, 14, 8, 1, 255, 14, 8, 1, 255, 6, 0, 1, 4, 0, 0, 1, 0, 5, 0, 1, 4, 1, 0, 0, 0})
	f.Add([]byte{12, 0, 1, 2, 'h', 'i', 13, 12, 2, 200, 14, 8, 2, 255, 9, 0, 0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{13, 4, 1, 1, 14, 1, 1, 8, 7, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(append([]byte{0, 0, 0, 0}, requestFrame(1, "x")...))
	f.Add([]byte{11, 15, 3, 255, 11, 15, 4, 255, 11, 15, 5, 255, 10, 0, 6, 3, 'e', 'n', 'd'})
}

// FuzzServer: a server survives any client: no panic, no hang, no memory kept.
func FuzzServer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, steps []byte) {
		cfg := fuzzConfig()
		server, err := NewServer(echo, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		client, serverSide := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- server.Serve(context.Background(), serverSide) }()
		play(client, append(settingsFrame(usual()), script(steps)...))
		within(t, "the end of Serve", served)
		if left := cfg.Budget.Left(); left != 8<<20 {
			t.Errorf("%d bytes of the budget are left, want all of it", left)
		}
	})
}

// play writes all of it, reading what comes, and closes.
func play(nc net.Conn, bytes []byte) {
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, nc) })
	nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
	nc.Write(bytes)
	nc.Close()
	reading.Wait()
}

// FuzzClient: a client survives any server: every Do and Run returns, answers are whole, no memory is kept.
func FuzzClient(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, steps []byte) {
		cfg := fuzzConfig()
		clientSide, server := net.Pipe()
		settled, played := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(played)
			go server.Write(settingsFrame(usual()))
			<-settled
			play(server, script(steps))
		}()
		go io.ReadFull(server, make([]byte, len(settingsFrame(cfg.settings()))))
		c, err := Open(clientSide, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- c.Run(context.Background()) }()
		var callers sync.WaitGroup
		for i := range 4 {
			callers.Go(func() {
				var x Exchange
				post(&x, make([]byte, i*20_000))
				x.Streamed = i%2 == 1
				err := c.Do(&x)
				if err == nil && x.Streamed {
					_, err = io.ReadAll(&x)
				}
				x.Close()
				if _, ok := errors.AsType[*Error](err); err != nil && !ok {
					t.Errorf("got an error of type %T: %v", err, err)
				}
			})
		}
		close(settled)
		within(t, "the end of Run", ran)
		callers.Wait()
		<-played
		if left := cfg.Budget.Left(); left != 8<<20 {
			t.Errorf("%d bytes of the budget are left, want all of it", left)
		}
	})
}
