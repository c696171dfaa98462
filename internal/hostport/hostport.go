// Package hostport says what an address of a node is: "host:port" with a number for the port.
//
// It owns the one form in which equal addresses are equal, wherever they come from: the configuration, a file or DNS. It
// refuses to resolve anything. It has no state.
package hostport

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Canonical writes "host:port" in the one form that equal addresses share: lower case, no dot at the end of a name, IPv4 in
// dotted form even where it was mapped into IPv6, and a port without leading zeros. The error quotes the address and names what
// is accepted.
func Canonical(address string) (string, error) {
	host, port, err := Split(address)
	if err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return Join(ip, port), nil
	}
	if !IsName(host) {
		return "", fmt.Errorf("address %q has host %q: accepted are an IP address or a host name", address, host)
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(host), "."), strconv.Itoa(int(port))), nil
}

// Split takes an address apart, and wants its port to be 1 to 65535. Of the host it only knows that it is there.
func Split(address string) (host string, port uint16, err error) {
	if strings.Contains(address, "://") {
		return "", 0, fmt.Errorf("address %q has a scheme: accepted is \"host:port\" alone, such as \"10.0.0.1:9000\"", address)
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q is not \"host:port\", such as \"10.0.0.1:9000\" or \"[::1]:9000\"", address)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("address %q has port %q: accepted are 1 to 65535", address, text)
	}
	return host, uint16(number), nil
}

// Join is the canonical address of a port at ip.
func Join(ip netip.Addr, port uint16) string {
	return netip.AddrPortFrom(ip.Unmap(), port).String()
}

// IsName accepts what resolvers do: labels of letters, digits, - and _ (which DNS-SD and container names use), up to
// 63 bytes each and 253 together, with or without the dot at the end. A name of digits and dots alone is an IP address gone
// wrong.
func IsName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if len(host) > 253 || strings.Trim(host, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !IsNameRune(r) }) {
			return false
		}
	}
	return true
}

// IsNameRune reports whether r may stand in the name of a host, or of a header.
func IsNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}
