package hop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// Token is what the Upgrade header names: the protocol and its version.
	Token = "ganglion-hop/1"
	// UpgradePath is where a client asks for the upgrade. Every Open Inference Protocol server answers a GET there, so that
	// asking one that does not speak the hop does no harm.
	UpgradePath = "/v2/health/live"
	// maxUpgradeResponse bounds the head of the answer: more than any server's usual headers.
	maxUpgradeResponse = 8 << 10
)

// NotSpokenError is a server that answered the request for an upgrade as if it were any other: speak HTTP/1.1 to it, on
// another connection.
type NotSpokenError struct{ Status int }

// Error gives the status that came instead of 101.
func (e *NotSpokenError) Error() string {
	return fmt.Sprintf("node does not speak %s: it answered %d", Token, e.Status)
}

// Negotiate reads an Upgrade header on the server's side and returns the token to answer with in a 101 response, with the
// headers "Connection: Upgrade" and "Upgrade: " and the token. ok is false when the client offers no version known here:
// answer the request as if it had no such header.
func Negotiate(upgrade []byte) (token string, ok bool) {
	for offer := range bytes.SplitSeq(upgrade, []byte(",")) {
		if bytes.EqualFold(bytes.TrimSpace(offer), []byte(Token)) {
			return Token, true
		}
	}
	return "", false
}

// Upgrade asks the server at the other end of nc to speak the hop, and returns nil once it has agreed. host is for the Host
// header. A *NotSpokenError is a healthy server of another kind. After any error nc is of no more use.
func Upgrade(nc net.Conn, host string, deadline time.Time) error {
	nc.SetDeadline(deadline)
	defer nc.SetDeadline(time.Time{})
	if host == "" || !visible([]byte(host), 0x21) {
		return fmt.Errorf("cannot ask for an upgrade: host %q is not fit for a header", host)
	}
	request := "GET " + UpgradePath + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: " + Token + "\r\n\r\n"
	if _, err := io.WriteString(nc, request); err != nil {
		return fmt.Errorf("cannot ask for an upgrade: %w", err)
	}
	head, err := readHead(nc)
	if err != nil {
		return fmt.Errorf("cannot read the answer to an upgrade: %w", err)
	}
	return checkSwitch(head)
}

// readHead reads up to the blank line and no further. The server says nothing after that before it has heard the client's
// settings, so whatever comes with it belongs to an answer of another kind.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, 0, maxUpgradeResponse)
	for len(head) < cap(head) {
		n, err := r.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
			if rest := head[end+4:]; len(rest) > 0 && bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
				return nil, fmt.Errorf("%d bytes follow a 101 response before the client has spoken", len(rest))
			}
			return head[:end], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("head is over %d bytes", maxUpgradeResponse)
}

// checkSwitch judges the answer's head.
func checkSwitch(head []byte) error {
	lines := strings.Split(string(head), "\r\n")
	version, rest, _ := strings.Cut(lines[0], " ")
	code, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 || strings.Trim(code, "0123456789") != "" {
		return errors.New("answer to an upgrade is not HTTP/1: " + fmt.Sprintf("%.80q", lines[0]))
	}
	status := int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	if status != http.StatusSwitchingProtocols {
		return &NotSpokenError{Status: status}
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Upgrade") && strings.EqualFold(strings.TrimSpace(value), Token) {
			return nil
		}
	}
	return fmt.Errorf("answer 101 does not name %q in its Upgrade header", Token)
}
