package discovery

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxForeign is how many messages that are no answer are read past before the server is given up: a few late ones are
// ordinary, a flood is an attack that must not keep a core busy until the time is up.
const maxForeign = 64

// ask puts the question to the servers in turn until one has an answer that is good, or that says the name does not exist.
// The error is an *Error about the last one.
func (s *servers) ask(ctx context.Context, q question) (answer, error) {
	first := 0
	if s.rotate {
		first = rand.IntN(len(s.addresses))
	}
	var last error
	for range s.tries {
		for i := range s.addresses {
			a, err := s.askOne(ctx, s.addresses[(first+i)%len(s.addresses)], q)
			if err == nil {
				return a, nil
			}
			last = err
			if ctx.Err() != nil {
				return answer{}, last
			}
		}
	}
	return answer{}, last
}

// askOne asks one server: over UDP, and over TCP what does not fit.
func (s *servers) askOne(ctx context.Context, server string, q question) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	network := "udp"
	if s.tcp {
		network = "tcp"
	}
	a, err := exchange(ctx, network, server, q, true)
	if err == nil && a.code == dnsmessage.RCodeFormatError {
		a, err = exchange(ctx, network, server, q, false)
	}
	if err == nil && a.truncated && network == "udp" {
		a, err = exchange(ctx, "tcp", server, q, true)
	}
	if err != nil {
		return answer{}, serverFailure(ctx, server, err)
	}
	switch {
	case a.code != dnsmessage.RCodeSuccess && a.code != dnsmessage.RCodeNameError:
		return answer{}, failf(Refused, "DNS server %s answers %s", server, rcode(a.code))
	case a.referral:
		return answer{}, failf(Refused, "DNS server %s answers for other names only, and asks nobody else", server)
	case a.truncated:
		return answer{}, failf(Malformed, "DNS server %s answers in part only, over TCP too", server)
	}
	return a, nil
}

// rcode is a response code as people know it.
func rcode(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	}
	return c.String()
}

// serverFailure says what went wrong with a server, without the ports of ours that change each time.
func serverFailure(ctx context.Context, server string, err error) error {
	_, network := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return failf(Timeout, "DNS server %s does not answer", server)
	case network:
		return failf(Network, "cannot ask DNS server %s: %v", server, reason(err))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failf(Network, "DNS server %s hangs up before its answer is complete", server)
	}
	return failf(Malformed, "the answer of DNS server %s makes no sense: %v", server, err)
}

// exchange asks one server over one connection of its own: a fresh port and a random id are what a forger has to guess.
func exchange(ctx context.Context, network, server string, q question, edns bool) (answer, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, server)
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	id := uint16(rand.Uint32())
	stream := network == "tcp"
	query := make([]byte, 0, 2+512)
	if stream {
		query = append(query, 0, 0)
	}
	if query, err = q.appendQuery(query, id, edns); err != nil {
		return answer{}, err
	}
	if stream {
		binary.BigEndian.PutUint16(query, uint16(len(query)-2))
	}
	if _, err := c.Write(query); err != nil {
		return answer{}, err
	}
	if stream {
		return receiveStream(c, id, q)
	}
	return receivePackets(c, id, q)
}

// receivePackets reads past what is no answer, which anybody can send.
func receivePackets(c net.Conn, id uint16, q question) (answer, error) {
	buf := make([]byte, 4096) // servers that do not care for what we asked send this much
	for range maxForeign {
		n, err := c.Read(buf)
		if err != nil {
			return answer{}, err
		}
		if a, err := readAnswer(buf[:n], id, q); !errors.Is(err, errForeign) {
			return a, err
		}
	}
	return answer{}, errForeign
}

// receiveStream reads one message behind its length.
func receiveStream(c net.Conn, id uint16, q question) (answer, error) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return answer{}, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:])) // 64 KiB at most
	if _, err := io.ReadFull(c, msg); err != nil {
		return answer{}, err
	}
	return readAnswer(msg, id, q)
}
