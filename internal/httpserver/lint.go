package httpserver

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// maxFields is how many header lines a request may have. Ours need about ten, browsers send thirty; every look-up of
// a header walks all of them.
const maxFields = 100

// allowedMethods are those that a handler may see, as an Allow header lists them.
const allowedMethods = "GET, HEAD, POST, QUERY, PUT, PATCH, DELETE, OPTIONS"

// flaw is what is wrong with a request's headers: an index into flaws.
type flaw byte

const (
	none flaw = iota
	badVersion
	badMethod
	forbiddenMethod
	badTarget
	badHost
	bareLF
	folded
	badName
	tooManyFields
	twoFramings
	badCoding
	badExpect
	tooLarge
	unwanted // no flaw of the request: the handler has judged it by its head, and answers
)

// flaws says how each flaw is answered; tooLarge is spelled out by Server.tooLarge.
var flaws = [...]struct {
	status int
	reason string
}{
	badVersion:      {fasthttp.StatusHTTPVersionNotSupported, "HTTP version is not supported: use HTTP/1.1 or HTTP/1.0"},
	badMethod:       {fasthttp.StatusNotImplemented, "method is not implemented: use one of " + allowedMethods},
	forbiddenMethod: {fasthttp.StatusMethodNotAllowed, "method is not allowed: use one of " + allowedMethods},
	badTarget:       {fasthttp.StatusBadRequest, `request target must be a path of printable ASCII without "\" and "#"`},
	badHost:         {fasthttp.StatusBadRequest, "Host header must be a name or address with an optional port"},
	bareLF:          {fasthttp.StatusBadRequest, "header lines must end in CRLF"},
	folded:          {fasthttp.StatusBadRequest, "header lines must not be folded"},
	badName:         {fasthttp.StatusBadRequest, "header names must not contain blanks"},
	tooManyFields:   {fasthttp.StatusRequestHeaderFieldsTooLarge, "more than 100 header lines"},
	twoFramings:     {fasthttp.StatusBadRequest, "Content-Length and Transfer-Encoding exclude each other"},
	badCoding:       {fasthttp.StatusNotImplemented, "transfer coding is not implemented: use chunked"},
	badExpect:       {fasthttp.StatusExpectationFailed, "expectation is not supported: use 100-continue"},
	tooLarge:        {status: fasthttp.StatusRequestEntityTooLarge},
}

// headerReceived is fasthttp's hook between headers and body. It cannot answer, only configure; so for a request that
// is to be refused it takes the body away, which sends fasthttp straight to the handler, and leaves the flaw in place
// of the protocol, where serve finds it without a search and no client can put anything (the version is linted).
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	f := lint(h)
	if f == none && h.ContentLength() > int(s.cfg.MaxBody) {
		f = tooLarge
	}
	if f == none && h.ContentLength() > screenAbove && s.isUnwanted(h) {
		f = unwanted
	}
	if f != none {
		h.SetContentLength(0)
		h.SetProtocolBytes([]byte{'!', 'A' + byte(f)})
	} else {
		connOf(h).framing.hideBody(h)
	}
	return fasthttp.RequestConfig{}
}

// flawOf reads back what headerReceived has noted.
func flawOf(h *fasthttp.RequestHeader) flaw {
	if p := h.Protocol(); len(p) == 2 && p[0] == '!' {
		return flaw(p[1] - 'A')
	}
	return none
}

// lint finds what fasthttp lets through and a strict reader would not. What two programs in a row understand
// differently is how requests are smuggled past one of them. Two leniencies stay out of its sight: a request line that
// ends in a bare LF, and oddities in chunk extensions. Neither gets past us, since requests are written anew for nodes.
func lint(h *fasthttp.RequestHeader) flaw {
	switch string(h.Protocol()) {
	case "HTTP/1.1", "HTTP/1.0":
	default:
		return badVersion
	}
	switch string(h.Method()) {
	case fasthttp.MethodPost, fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodQuery, fasthttp.MethodPut,
		fasthttp.MethodPatch, fasthttp.MethodDelete, fasthttp.MethodOptions:
	case fasthttp.MethodConnect, fasthttp.MethodTrace:
		return forbiddenMethod
	default:
		return badMethod
	}
	if !goodTarget(h.RequestURI(), h.IsOptions()) {
		return badTarget
	}
	if !goodHost(h.Host()) {
		return badHost
	}
	return lintFields(h)
}

// goodTarget accepts origin-form only: we are nobody's forward proxy, and an absolute-form target would bring a second
// Host that may contradict the first.
func goodTarget(target []byte, options bool) bool {
	if options && string(target) == "*" {
		return true
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			return false
		}
	}
	return target[0] == '/'
}

func goodHost(host []byte) bool {
	for _, c := range host {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '-', c == '_', c == '~', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}

// lintFields walks the header lines as they came.
func lintFields(h *fasthttp.RequestHeader) flaw {
	underscore, length, coding := false, false, false
	fields := 0
	for rest := h.RawHeaders(); len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return bareLF
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		if len(line) == 0 {
			break // the end of the headers; fasthttp has made sure that it is there
		}
		if line[0] == ' ' || line[0] == '\t' {
			return folded
		}
		if fields++; fields > maxFields {
			return tooManyFields
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		if bytes.IndexByte(name, ' ') >= 0 {
			return badName
		}
		underscore = underscore || bytes.IndexByte(name, '_') >= 0
		switch {
		case len(name) == len("Content-Length"):
			length = length || bytes.EqualFold(name, []byte("Content-Length"))
		case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
				return badCoding
			}
			coding = true
		case len(name) == len("Expect") && bytes.EqualFold(name, []byte("Expect")):
			if !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("100-continue")) {
				return badExpect
			}
		}
	}
	if length && coding {
		return twoFramings
	}
	if underscore {
		dropUnderscored(h)
	}
	return none
}

// dropUnderscored removes headers such as X_Request_Id: many programs behind us take _ for -, so that a client could
// slip in a header that we set or guard under its proper name.
func dropUnderscored(h *fasthttp.RequestHeader) {
	for rest := h.RawHeaders(); len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\r\n"))
		if name, _, _ := bytes.Cut(line, []byte{':'}); bytes.IndexByte(name, '_') >= 0 {
			h.DelBytes(name)
		}
		rest = after
	}
}
