package discovery

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// systemConf is where the system says whom to ask.
const systemConf = "/etc/resolv.conf"

// Bounds of resolv.conf: those of glibc, but for the search list, which it does not bound any more; Kubernetes allows 32.
const (
	maxConf    = 64 << 10 // bytes
	maxServers = 3
	maxSearch  = 32
	maxNdots   = 15
	maxTries   = 5
	maxPatient = 30 * time.Second
)

// servers say whom to ask, and how.
type servers struct {
	addresses []string // "ip:port", in the order in which they are asked
	search    []string // suffixes for names that are not absolute, without dots at their ends
	ndots     int      // a name with as many dots is tried as it is first
	timeout   time.Duration
	tries     int  // how often each is asked
	rotate    bool // start at another one each time
	tcp       bool // do not try UDP
}

// defaultServers asks nobody yet. The figures are glibc's but for the timeout, which is 5 s there: nobody waits for the answer
// here, so a lost packet may be found out sooner without harm.
func defaultServers() servers { return servers{ndots: 1, timeout: 2 * time.Second, tries: 2} }

// readServers reads a file such as resolv.conf. Like every resolver it asks the own host when there is none.
func readServers(path string) (servers, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return withLocal(defaultServers()), nil
	}
	if err != nil {
		return servers{}, failf(Unreadable, "cannot read %s: %v", path, reason(err))
	}
	defer f.Close()
	s, err := parseServers(io.LimitReader(f, maxConf))
	if err != nil {
		return servers{}, failf(Unreadable, "cannot read %s: %v", path, reason(err))
	}
	return s, nil
}

func withLocal(s servers) servers {
	if len(s.addresses) == 0 {
		s.addresses = []string{"127.0.0.1:53", "[::1]:53"}
	}
	return s
}

// parseServers leaves out what it does not understand, as every resolver does: the file is written for others too.
func parseServers(r io.Reader) (servers, error) {
	s := defaultServers()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if ip, err := netip.ParseAddr(words[1]); err == nil && len(s.addresses) < maxServers {
				s.addresses = append(s.addresses, netip.AddrPortFrom(ip, 53).String())
			}
		case "domain", "search":
			s.search = searchList(words[1:])
		case "options":
			for _, option := range words[1:] {
				s.option(option)
			}
		}
	}
	return withLocal(s), lines.Err()
}

func searchList(words []string) (list []string) {
	for _, w := range words {
		if w = strings.Trim(w, "."); w != "" && len(list) < maxSearch {
			list = append(list, w)
		}
	}
	return list
}

func (s *servers) option(option string) {
	name, value, _ := strings.Cut(option, ":")
	n, err := strconv.Atoi(value)
	number := err == nil && n >= 0
	switch {
	case name == "ndots" && number:
		s.ndots = min(n, maxNdots)
	case name == "timeout" && number:
		s.timeout = min(max(time.Duration(n)*time.Second, time.Second), maxPatient)
	case name == "attempts" && number:
		s.tries = min(max(n, 1), maxTries)
	case name == "rotate":
		s.rotate = true
	case name == "use-vc", name == "usevc", name == "tcp":
		s.tcp = true
	}
}

// candidates are the absolute names that a name may mean, in the order in which they are tried.
func (s *servers) candidates(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	names := make([]string, 0, len(s.search)+1)
	for _, suffix := range s.search {
		names = append(names, name+"."+suffix+".")
	}
	if strings.Count(name, ".") >= s.ndots {
		return append([]string{name + "."}, names...)
	}
	return append(names, name+".")
}

// serverAddress completes the address of a DNS server with its port.
func serverAddress(s string) (string, bool) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 53).String(), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.String(), err == nil && ap.Port() != 0
}

// reason is the last cause in a chain of errors of the system: without addresses and paths, which would be said twice.
func reason(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // each layer is taken off by itself
		case *net.OpError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		case *os.PathError:
			err = e.Err
		default:
			return err
		}
	}
}
