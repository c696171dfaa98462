package gateway

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// dialect is what is known of the form of the protocol that a plain HTTP server reads. MLServer, for one, knows no binary
// data. Servers name what they know in their metadata, and are asked when it matters for the first time.
type dialect struct {
	fact   atomic.Pointer[fact] // nil = never asked
	asking sync.Mutex
}

// fact is what a server said of itself.
type fact struct {
	binary bool      // it reads binary data
	until  time.Time // when to ask again
}

const (
	// dialectFor is how long a server's word holds. Another one may take its place at the same address; a minute is about
	// what that takes, and the question costs next to nothing at this rate.
	dialectFor = time.Minute
	// dialectDoubt is how long no answer holds: a server that starts, or one that has no metadata.
	dialectDoubt = time.Second
	// dialectWait bounds the wait for an answer, which is ready in memory at any server that is well.
	dialectWait = time.Second
)

// binaryExtension is the name of the extension.
const binaryExtension = "binary_tensor_data"

// overHTTP carries out over HTTP/1.1, in a form that the node reads.
func (c *carrier) overHTTP(out *outbound, resp *fasthttp.Response) error {
	message := isMessage(out)
	if !message && headerOf(out.headers, headerInferLength) == nil {
		return c.plain.roundTrip(out, resp)
	}
	binary := c.readsBinary(out)
	if binary && !message {
		return c.plain.roundTrip(out, resp)
	}
	return c.bridges.overREST(c.plain, out, resp, binary, c.inflated)
}

// readsBinary reports whether the node reads binary data, and asks it if need be. Meanwhile others go by what was known, or
// wait if nothing was. A server that does not say is taken for one that does, as most do.
func (c *carrier) readsBinary(out *outbound) bool {
	d := &c.dialect
	now := time.Now()
	known := d.fact.Load()
	if known != nil && now.Before(known.until) {
		return known.binary
	}
	if known != nil {
		if !d.asking.TryLock() {
			return known.binary
		}
	} else {
		d.asking.Lock()
	}
	defer d.asking.Unlock()
	if known = d.fact.Load(); known == nil {
		known = &fact{binary: true}
	} else if now.Before(known.until) {
		return known.binary // somebody else has asked
	}
	said := fact{binary: known.binary, until: now.Add(dialectDoubt)}
	if extensions, ok := c.extensions(now, out.deadline); ok {
		said = fact{binary: slices.Contains(extensions, binaryExtension), until: now.Add(dialectFor)}
	}
	d.fact.Store(&said)
	return said.binary
}

// extensions are those that the node says it knows; ok is false when it says nothing of them.
func (c *carrier) extensions(now, deadline time.Time) (names []string, ok bool) {
	if soon := now.Add(dialectWait); soon.Before(deadline) {
		deadline = soon
	}
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	ask := &outbound{method: []byte("GET"), target: []byte("/v2"), start: now, deadline: deadline}
	defer ask.reset()
	if c.plain.roundTrip(ask, resp) != nil || resp.StatusCode() != fasthttp.StatusOK {
		return nil, false
	}
	var about struct {
		Extensions []string `json:"extensions"`
	}
	if json.Unmarshal(resp.Body(), &about) != nil || about.Extensions == nil {
		return nil, false
	}
	return about.Extensions, true
}
