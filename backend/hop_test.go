package backend_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/conf"
	"ganglion/internal/hop"
	"ganglion/internal/oip"
	"ganglion/internal/testlog"
)

// dialHop opens a hop to the node, as a gateway does. It ends with the test, or before.
func (n *node) dialHop() *hop.Conn {
	n.t.Helper()
	return n.dialHopObserved(hop.Observer{})
}

func (n *node) dialHopObserved(o hop.Observer) *hop.Conn {
	n.t.Helper()
	address := strings.TrimPrefix(n.url, "http://")
	nc, err := net.Dial("tcp", address)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := hop.Upgrade(nc, address, time.Now().Add(20*time.Second)); err != nil {
		n.t.Fatal(err)
	}
	cfg := hop.DefaultConfig()
	cfg.Loads = 1000
	conn, err := hop.Open(nc, cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	conn.Observe(o)
	var running sync.WaitGroup
	running.Go(func() { _ = conn.Run(context.Background()) })
	n.t.Cleanup(func() {
		conn.Close()
		running.Wait()
	})
	return conn
}

// hopRequest readies an exchange.
func hopRequest(method hop.Method, path, body string) *hop.Exchange {
	x := new(hop.Exchange)
	x.Reset()
	x.Request.Method, x.Request.Path, x.Request.Body = method, []byte(path), []byte(body)
	x.Request.ContentType = []byte("application/json")
	return x
}

// header is the value of one of the answer's headers.
func hopHeader(x *hop.Exchange, name string) string {
	for _, h := range x.Response.Headers {
		if bytes.EqualFold(h.Name, []byte(name)) {
			return string(h.Value)
		}
	}
	return ""
}

// TestHop: what HTTP answers the hop answers too, by the same words.
func TestHop(t *testing.T) {
	n := startNode(t, demoModels(t))
	conn := n.dialHop()
	binaryBody, headerLen := flowers(2, `"id":"b-1","parameters":{"binary_data_output":true},`)
	for name, c := range map[string]struct {
		method hop.Method
		path   string
		body   string
		length int
		status int
	}{
		"inference":     {hop.MethodPost, "/v2/models/iris/infer", irisRequest, hop.NoHeaderLength, 200},
		"query":         {hop.MethodQuery, "/v2/models/iris/versions/1/infer?x=y", irisRequest, hop.NoHeaderLength, 200},
		"binary":        {hop.MethodPost, "/v2/models/iris/infer", string(binaryBody), headerLen, 200},
		"v1":            {hop.MethodPost, "/v1/models/iris:predict", `{"instances":[[5.1,3.5,1.4,0.2]]}`, hop.NoHeaderLength, 200},
		"metadata":      {hop.MethodGet, "/v2/models/iris", "", hop.NoHeaderLength, 200},
		"ready":         {hop.MethodGet, "/v2/health/ready", "", hop.NoHeaderLength, 200},
		"index":         {hop.MethodPost, "/v2/repository/index", "", hop.NoHeaderLength, 200},
		"unknown model": {hop.MethodPost, "/v2/models/rose/infer", irisRequest, hop.NoHeaderLength, 404},
		"bad JSON":      {hop.MethodPost, "/v2/models/iris/infer", "{", hop.NoHeaderLength, 400},
		"no path":       {hop.MethodGet, "/v3", "", hop.NoHeaderLength, 404},
		"wrong method":  {hop.MethodGet, "/v2/models/iris/infer", "", hop.NoHeaderLength, 405},
		"shared memory": {hop.MethodGet, "/v2/systemsharedmemory/status", "", hop.NoHeaderLength, 501},
	} {
		x := hopRequest(c.method, c.path, c.body)
		x.Request.InferenceHeaderLength = c.length
		if err := conn.Do(x); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := &x.Response
		if r.Status != c.status {
			t.Errorf("%s: got %d %s, want %d", name, r.Status, r.Body, c.status)
		}
		header := []string{}
		if c.length != hop.NoHeaderLength {
			header = []string{oip.HeaderLengthName, fmt.Sprint(c.length)}
		}
		same := n.do(c.method.String(), c.path, strings.NewReader(c.body), header...)
		length := ""
		if r.InferenceHeaderLength != hop.NoHeaderLength {
			length = fmt.Sprint(r.InferenceHeaderLength)
		}
		if same.status != r.Status || same.body != string(r.Body) || same.header.Get("Content-Type") != string(r.ContentType) ||
			same.header.Get(oip.HeaderLengthName) != length || same.header.Get("Allow") != hopHeader(x, "Allow") {
			t.Errorf("%s: by the hop %d %q %q %q, by HTTP %d %q %q %q", name, r.Status, r.ContentType, length, r.Body,
				same.status, same.header.Get("Content-Type"), same.header.Get(oip.HeaderLengthName), same.body)
		}
		if got := hopHeader(x, "X-Node-Id"); got != "test-node" {
			t.Errorf("%s: X-Node-Id is %q", name, got)
		}
		if c.status == 200 && strings.Contains(c.path, "infer") && (!r.Node.Known || !r.Model.Known) {
			t.Errorf("%s: the answer does not say how busy the node is", name)
		}
	}
	if got := n.metric("ganglion_node_hop_connections"); got != 1 {
		t.Errorf("%v connections are counted, want 1", got)
	}
	if got := n.metric("ganglion_node_hop_requests_total"); got != 12 {
		t.Errorf("%v requests are counted, want 12", got)
	}
	if got := n.metric(`ganglion_node_requests_total{model="",status="404",version=""}`); got != 2 {
		t.Errorf("%v requests for models that are not there are counted, want 2", got)
	}
}

// TestHopLargeBodies: tensors of megabytes go there and back, and the memory of bodies and answers is free afterwards.
func TestHopLargeBodies(t *testing.T) {
	const rows = 1 << 20
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	engine := &fakeEngine{}
	n := startNodeOn(t, engine, dir, func(c *backend.Config) {
		c.HTTP.MaxBodyMemory = 10 * conf.MiB
		c.MaxOutput = conf.MiB // eight of which answers may take: one at a time
	})
	n.waitReady()
	conn := n.dialHop()
	json := fmt.Sprintf(`{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[%d],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}`, rows, 4*rows)
	body := []byte(json)
	for i := range rows {
		body = binary.LittleEndian.AppendUint32(body, math.Float32bits(float32(i)))
	}
	x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", string(body))
	x.Request.InferenceHeaderLength = len(json)
	for range 5 {
		if err := conn.Do(x); err != nil {
			t.Fatal(err)
		}
		if x.Response.Status != 200 || !bytes.HasSuffix(x.Response.Body, body[len(json):]) {
			t.Fatalf("got %d and %d bytes", x.Response.Status, len(x.Response.Body))
		}
	}
	n.waitMetric("ganglion_node_body_bytes", 0)
}

// TestHopDeadline: the time that a request has left comes with it, and is kept to in queue and run.
func TestHopDeadline(t *testing.T) {
	b := newBlockingNode(t, 1)
	conn := b.dialHop()
	for _, ahead := range []string{"running", "queued behind another"} {
		x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", fakeRequestOf("1"))
		x.Request.Deadline = time.Now().Add(2 * time.Second) // enough to get there
		err := conn.Do(x)
		// The deadline is the caller's own too, who may be first to see it pass.
		var late *hop.Error
		if errors.As(err, &late) && late.Code != hop.CodeDeadline || err == nil && x.Response.Status != 504 {
			t.Errorf("%s: got %v, %d %s", ahead, err, x.Response.Status, x.Response.Body)
		}
		b.waitMetric(`ganglion_node_requests_total{model="iris",status="504",version="1"}`, map[string]float64{"running": 1}[ahead]+map[string]float64{"queued behind another": 2}[ahead])
		if ahead == "running" {
			<-b.stopped // the run has been told
			b.occupy()
		}
	}
	b.free()
}

// TestHeaderDeadline: over plain HTTP the time that is left comes in a header, and is kept to in the same way.
func TestHeaderDeadline(t *testing.T) {
	b := newBlockingNode(t, 1)
	const path = "/v2/models/iris/infer"
	b.do("POST", path, strings.NewReader(fakeRequestOf("1")), oip.TimeoutName, "2000").want(t, 504, "")
	<-b.stopped // the run, for which there was time enough, has been told
	b.occupy()
	b.do("POST", path, strings.NewReader(fakeRequestOf("1")), oip.TimeoutName, "100").want(t, 504, "")
	b.free()
	for _, odd := range []string{"0", "soon"} {
		b.do("POST", path, strings.NewReader(fakeRequestOf("1")), oip.TimeoutName, odd).want(t, 400, "whole number of milliseconds from 1")
	}
}

// TestHopDrain: a node that stops says goaway, answers what it has taken in, and ends.
func TestHopDrain(t *testing.T) {
	b := newBlockingNode(t, 1)
	conn := b.dialHop()
	answered := make(chan string, 1)
	go func() {
		x := hopRequest(hop.MethodPost, "/v2/models/iris/infer", fakeRequestOf("7"))
		if err := conn.Do(x); err != nil {
			answered <- err.Error()
			return
		}
		answered <- string(x.Response.Body)
	}()
	<-b.running
	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	for deadline := time.Now().Add(20 * time.Second); conn.Usable(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the node has not said goaway")
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("the node has stopped (%v) before it has answered", err)
	default:
	}
	b.goOn <- struct{}{}
	if body := <-answered; !strings.Contains(body, `"data":[7]`) {
		t.Errorf("got %s", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestHopIsOnlySpokenWhereAsked: other requests for an upgrade, and other places, are answered as if they were not.
func TestHopIsOnlySpokenWhereAsked(t *testing.T) {
	n := startNode(t, demoModels(t))
	for _, c := range []struct{ path, upgrade string }{
		{"/v2/health/live", "websocket"}, {"/v2/health/live", "ganglion-hop/9"}, {"/v2", hop.Token},
	} {
		n.do("GET", c.path, nil, "Connection", "Upgrade", "Upgrade", c.upgrade).want(t, 200, "")
	}
	n.do("GET", "/v2/health/live", nil, "Upgrade", hop.Token).want(t, 200, `{"live":true}`) // Connection does not name it
}

// TestHopCompressed: an answer that does not fit the memory which was lent for it is sent whole all the same.
func TestHopCompressed(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Fill(2), filepath.Join(dir, "fill", "1", "model.onnx"))
	n := startNode(t, dir)
	conn := n.dialHop()
	x := hopRequest(hop.MethodPost, "/v2/models/fill/infer", `{"inputs":[{"name":"size","shape":[2],"datatype":"INT64","data":[400,250]}]}`)
	var plain string
	for i := range 6 {
		x.Request.Headers = nil
		if i%2 == 1 {
			x.Request.Headers = []hop.Header{{Name: []byte("accept-encoding"), Value: []byte("gzip")}}
		}
		if err := conn.Do(x); err != nil {
			t.Fatal(err)
		}
		body := string(x.Response.Body)
		switch {
		case i%2 == 0 && plain == "":
			plain = body
		case i%2 == 1:
			body = unpacked(t, hopHeader(x, "Content-Encoding"), body)
		}
		if body != plain || len(plain) < 100_000 {
			t.Fatalf("answer %d is another: %d bytes instead of %d", i, len(body), len(plain))
		}
	}
}

// TestHopContainsPanics: a bug costs one request, which is answered, and is told of.
func TestHopContainsPanics(t *testing.T) {
	var log testlog.Log
	cfg := backend.DefaultConfig()
	cfg.Models = t.TempDir()
	s, err := backend.New(cfg, &fakeEngine{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	resp := backend.PanickingHop(s)
	if resp.Status != 500 || string(resp.Body) != `{"error":"internal error"}` {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
	if !strings.Contains(log.String(), "handler panicked: this is a bug") || !strings.Contains(log.String(), "/v2/models/m/infer") {
		t.Errorf("the log has %s", log.String())
	}
}
