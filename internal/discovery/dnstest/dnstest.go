// Package dnstest is a DNS server for tests: on loopback, over UDP and TCP, with records that change while it runs and every
// fault that a server may have.
//
// It owns its sockets. It refuses to ask others: it knows what it was told, and all other names do not exist.
//
// Concurrency: all methods may be called from any goroutine.
package dnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Server is one. Make it with Listen.
type Server struct {
	packets net.PacketConn
	streams net.Listener
	serving sync.WaitGroup

	mu      sync.Mutex
	records map[string][]dnsmessage.Resource // by name in lower case
	fault   Fault
	limit   int // octets of an answer over UDP
	asked   int
	open    map[net.Conn]struct{}
	closed  bool
}

// Fault changes answers on their way out; nil leaves them. It gets the answer and whether it goes over TCP, and returns the
// messages to send instead, none for silence.
type Fault func(answer dnsmessage.Message, tcp bool) [][]byte

// Listen makes a server at a free port of 127.0.0.1. It answers until Close.
func Listen() (*Server, error) {
	for range 20 { // the port must be free for both
		streams, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		packets, err := net.ListenPacket("udp", streams.Addr().String())
		if err != nil {
			streams.Close()
			continue
		}
		s := &Server{
			packets: packets, streams: streams, records: map[string][]dnsmessage.Resource{}, limit: 1232,
			open: map[net.Conn]struct{}{},
		}
		s.serving.Go(s.servePackets)
		s.serving.Go(s.serveStreams)
		return s, nil
	}
	return nil, errors.New("no port is free for both UDP and TCP")
}

// Address is "ip:port".
func (s *Server) Address() string { return s.streams.Addr().String() }

// Close ends the server and waits until it has.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	_ = s.packets.Close() // which both are only asked to end
	s.streams.Close()
	s.serving.Wait()
}

// Asked is how many questions came.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Break makes all answers pass through f from now on; nil ends it.
func (s *Server) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Limit bounds answers over UDP to that many octets.
func (s *Server) Limit(octets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = octets
}

// Set makes lines all that there is under name: "A 10.0.0.1", "AAAA ::1", "CNAME other.test.", "SRV 0 1 9000 other.test.". A
// name with no lines is there without records; see Remove.
func (s *Server) Set(name string, ttl uint32, lines ...string) {
	list := make([]dnsmessage.Resource, 0, len(lines))
	for _, line := range lines {
		list = append(list, record(name, ttl, line))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[strings.ToLower(name)] = list
}

// Remove makes a name not exist.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, strings.ToLower(name))
}

// record panics for a line that is none: it stands in a test.
func record(name string, ttl uint32, line string) dnsmessage.Resource {
	words := strings.Fields(line)
	h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}
	switch {
	case words[0] == "A" && len(words) == 2:
		h.Type = dnsmessage.TypeA
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: netip.MustParseAddr(words[1]).As4()}}
	case words[0] == "AAAA" && len(words) == 2:
		h.Type = dnsmessage.TypeAAAA
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(words[1]).As16()}}
	case words[0] == "CNAME" && len(words) == 2:
		h.Type = dnsmessage.TypeCNAME
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(words[1])}}
	case words[0] == "SRV" && len(words) == 5:
		h.Type = dnsmessage.TypeSRV
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.SRVResource{
			Priority: number(words[1]), Weight: number(words[2]), Port: number(words[3]), Target: dnsmessage.MustNewName(words[4]),
		}}
	}
	panic(fmt.Sprintf("BUG: %q is no record", line))
}

func number(s string) uint16 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return uint16(n)
}

func (s *Server) servePackets() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.packets.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		for _, msg := range s.reply(buf[:n], false) {
			_, _ = s.packets.WriteTo(msg, from)
		}
	}
}

func (s *Server) serveStreams() {
	for {
		c, err := s.streams.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			c.Close()
		}
		s.open[c] = struct{}{}
		s.mu.Unlock()
		s.serving.Go(func() {
			s.serveStream(c)
			c.Close()
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serveStream(c net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		msg := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, msg); err != nil {
			return
		}
		replies := s.reply(msg, true)
		for _, reply := range replies {
			framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)
			if _, err := c.Write(framed); err != nil {
				return
			}
		}
		if len(replies) == 0 {
			return // silence over TCP is a connection that ends
		}
	}
}

// reply is what goes back for one message.
func (s *Server) reply(query []byte, tcp bool) [][]byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	s.mu.Lock()
	s.asked++
	fault, limit := s.fault, s.limit
	answer := s.answer(m)
	s.mu.Unlock()
	if fault != nil {
		return fault(answer, tcp)
	}
	packed := Pack(answer)
	if !tcp && len(packed) > limit {
		answer.Truncated, answer.Answers, answer.Additionals = true, nil, nil
		packed = Pack(answer)
	}
	return [][]byte{packed}
}

// answer is the right one. The caller holds mu.
func (s *Server) answer(m dnsmessage.Message) dnsmessage.Message {
	q := m.Questions[0]
	out := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	for name := strings.ToLower(q.Name.String()); ; {
		list, there := s.records[name]
		if !there {
			out.RCode = dnsmessage.RCodeNameError
			return out
		}
		next := ""
		for _, r := range list {
			if r.Header.Type == q.Type || r.Header.Type == dnsmessage.TypeCNAME {
				out.Answers = append(out.Answers, r)
			}
			if alias, is := r.Body.(*dnsmessage.CNAMEResource); is {
				next = strings.ToLower(alias.CNAME.String())
			}
		}
		if next == "" || len(out.Answers) > 32 { // aliases that go round have to end somewhere
			return out
		}
		name = next
	}
}

// Pack turns a message into octets, for faults that change it.
func Pack(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}
