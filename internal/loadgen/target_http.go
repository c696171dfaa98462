package loadgen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// httpTarget speaks REST. Each client has a connection of its own.
type httpTarget struct {
	cfg    *Config
	base   string // URL of the model, without a slash at its end
	conns  []*httpConn
	bodies []httpBody
}

type httpBody struct {
	body   []byte
	length string // Inference-Header-Content-Length, "" = none
}

func newHTTPTarget(cfg *Config, u *url.URL) *httpTarget {
	t := &httpTarget{cfg: cfg, base: strings.TrimSuffix(cfg.Target, "/") + "/v2/models/" + url.PathEscape(cfg.Model)}
	if cfg.Version != "" {
		t.base += "/versions/" + url.PathEscape(cfg.Version)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	for range cfg.Clients {
		t.conns = append(t.conns, &httpConn{address: address, tls: u.Scheme == "https", timeout: cfg.Timeout})
	}
	return t
}

func (t *httpTarget) prepare(all []oip.InferRequest) error {
	for i := range all {
		r := &all[i]
		r.BinaryInputs, r.BinaryDefault = t.cfg.Binary, t.cfg.Binary
		body, length, err := oip.AppendInferRequest(nil, r)
		if err != nil {
			return err
		}
		b := httpBody{body: body}
		if length != oip.NoHeaderLength {
			b.length = strconv.Itoa(length)
		}
		t.bodies = append(t.bodies, b)
	}
	return nil
}

func (t *httpTarget) ask(client, i int, wantsTrace bool) reply {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	body := &t.bodies[i]
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetRequestURI(t.base + "/infer")
	req.SetBodyRaw(body.body)
	if body.length == "" {
		req.Header.SetContentType("application/json")
	} else {
		req.Header.SetContentType("application/octet-stream")
		req.Header.Set(oip.HeaderLengthName, body.length)
	}
	if wantsTrace {
		req.Header.Set("X-Ganglion-Timing", "1")
	}
	if err := t.conns[client].do(req, resp); err != nil {
		return reply{err: shorten(err)}
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return reply{err: answered(resp)}
	}
	if t.cfg.Check != nil {
		if err := t.cfg.Check(i, resp.Body()); err != nil {
			return reply{err: err}
		}
	}
	r := reply{cached: string(resp.Header.Peek("X-Cache")) == "hit"}
	if wantsTrace {
		r.trace = parseTiming(string(resp.Header.Peek("Server-Timing")))
	}
	return r
}

// shorten takes from an error what differs each time, so that equal failures are counted together.
func shorten(err error) error {
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", network.Op, network.Err)
	}
	return err
}

// StatusError is an answer over HTTP that says that the question failed.
type StatusError struct {
	Status  int
	Message string
}

// Error is the status and what the server said to it.
func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Message) }

// answered is an answer that is no good, as an error.
func answered(resp *fasthttp.Response) error {
	var message struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(resp.Body(), &message) != nil || message.Error == "" {
		message.Error = fmt.Sprintf("%.80q", resp.Body())
	}
	return &StatusError{resp.StatusCode(), message.Error}
}

// parseTiming reads a Server-Timing header. What it does not know it leaves out.
func parseTiming(header string) *trace {
	if header == "" {
		return nil
	}
	var t trace
	for entry := range strings.SplitSeq(header, ",") {
		name, duration, found := strings.Cut(strings.TrimSpace(entry), ";dur=")
		ms, err := strconv.ParseFloat(duration, 64)
		if !found || err != nil || !(ms >= 0 && ms < 1e9) {
			continue
		}
		d := time.Duration(ms * float64(time.Millisecond))
		switch name {
		case "edge":
			t.edge = d
		case "upstream":
			t.upstream = d
		case "queue", "input", "infer", "output":
			t.node += d
		}
	}
	return &t
}

func (t *httpTarget) metadata(context.Context) (oip.ModelMetadata, error) {
	body, err := t.get("")
	if err != nil {
		return oip.ModelMetadata{}, err
	}
	return oip.ParseModelMetadata(body)
}

func (t *httpTarget) statistics(context.Context) []oip.ModelStatistics {
	body, err := t.get("/stats")
	if err != nil {
		return nil
	}
	stats, err := oip.ParseStatistics(body)
	if err != nil {
		return nil
	}
	return stats
}

func (t *httpTarget) get(path string) ([]byte, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(t.base + path)
	if err := t.conns[0].do(req, resp); err != nil {
		return nil, fmt.Errorf("%s: %w", t.base+path, shorten(err))
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return nil, fmt.Errorf("%s: %w", t.base+path, answered(resp))
	}
	return append([]byte{}, resp.Body()...), nil
}

func (t *httpTarget) close() {
	for _, c := range t.conns {
		c.drop()
	}
}
