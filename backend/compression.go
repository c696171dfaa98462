package backend

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// The codings of HTTP that bodies may have. What HTTP calls deflate is a zlib stream.
const (
	codingNone    = "identity"
	codingGzip    = "gzip"
	codingDeflate = "deflate"
)

// plain returns the request's body as it is meant: inflated, when it came compressed. Inference-Header-Content-Length
// counts bytes of that.
func (s *Server) plain(x *exchange) ([]byte, error) {
	if len(x.contentEncoding) == 0 {
		return x.body, nil
	}
	switch coding := strings.ToLower(string(bytes.TrimSpace(x.contentEncoding))); coding {
	case codingNone:
		return x.body, nil
	case codingGzip, "x-gzip":
		return s.inflate(x, codingGzip)
	case codingDeflate:
		return s.inflate(x, codingDeflate)
	default:
		return nil, errUnknownCoding(coding)
	}
}

// errUnknownCoding says which codings there are. Clients look for the first words, which are Triton's.
func errUnknownCoding(coding string) error {
	return oip.Errorf(oip.Unsupported, "Unsupported compression type %q: send the body as gzip, deflate or as it is", coding)
}

func corrupt(coding string, err error) error {
	return oip.Errorf(oip.InvalidArgument, "the request's body is not %s, as its Content-Encoding says: %v", coding, err)
}

// firstInflated is the memory that a compressed body gets before it has shown how large it is: most are a few times larger
// than they came, and a JSON tensor of an image takes a megabyte.
const firstInflated = 64 << 10

// inflate unpacks the request's body, into memory that the exchange keeps if it is small. What a body grows to is accounted for as it
// grows, so that no few bytes that stand for gigabytes take any more than a request may.
func (s *Server) inflate(x *exchange, coding string) ([]byte, error) {
	r, err := s.coders.reader(coding, x.body)
	if err != nil {
		return nil, corrupt(coding, err)
	}
	defer s.coders.putReader(coding, r)
	limit := int64(s.cfg.HTTP.MaxBody)
	if x.inflated == nil {
		x.inflated = make([]byte, 0, firstInflated)
	}
	buf := x.inflated[:0]
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, oip.Errorf(oip.TooLarge, "the request's body is larger than %s when inflated (max_body)", conf.Size(limit))
		case errors.Is(err, io.EOF):
			x.inflated = buf
			return buf, nil
		case err != nil:
			return nil, corrupt(coding, err)
		case len(buf) == cap(buf):
			// One byte more than the limit, to tell a body that is larger from one that is as large.
			size := min(2*int64(cap(buf)), limit+1)
			if err := s.hold(&x.inference, size); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, size), buf...)
		}
	}
}

// worthCompressing is the size from which an answer is compressed: below it fits one packet as it is.
const worthCompressing = 1400

// compress compresses the answer if the client has asked for that and it is worth it.
func (s *Server) compress(x *exchange) {
	if len(x.acceptEncoding) == 0 || len(x.answer) < worthCompressing {
		return
	}
	coding := preferredCoding(string(x.acceptEncoding))
	if coding == codingNone {
		return
	}
	// Memory of its own: what carries the answer may read it after the exchange is over.
	packed := bytes.NewBuffer(make([]byte, 0, len(x.answer)/4))
	if err := s.coders.write(coding, packed, x.answer); err != nil || packed.Len() >= len(x.answer) {
		return // the answer as it is is as good
	}
	x.answer = packed.Bytes()
	x.set("Content-Encoding", coding)
	x.set("Vary", "Accept-Encoding")
}

// preferredCoding reads an Accept-Encoding header: the coding of ours with the highest weight, gzip when two have the same.
func preferredCoding(accept string) string {
	best, highest := codingNone, 0.0
	rest, gzipNamed := 0.0, false // rest is the weight of "*", which stands for what is not named
	for offer := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(offer, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		weight := weightOf(parameters)
		switch name {
		case "*":
			rest = weight
			continue
		case codingGzip:
			gzipNamed = true
		case codingDeflate:
		default:
			continue
		}
		if weight > highest || weight == highest && weight > 0 && name == codingGzip {
			best, highest = name, weight
		}
	}
	if rest > highest && !gzipNamed {
		return codingGzip
	}
	return best
}

// weightOf reads the q of an offer, 1 where it has none and 0 where it cannot be read.
func weightOf(parameters string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameters), "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(weight >= 0 && weight <= 1) {
		return 0
	}
	return weight
}
