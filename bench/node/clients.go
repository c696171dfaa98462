package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// question is what all clients ask a model.
type question struct {
	model     string
	unbatched []byte // its configuration without what only batches need
	body      func() (body []byte, headerLength int)
}

var questions = []question{
	{"iris", nil, func() ([]byte, int) {
		var data []byte
		for _, v := range []float32{5.1, 3.5, 1.4, 0.2} {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		return encode(oip.Tensor{Name: "measurements", Datatype: oip.FP32, Shape: []int64{1, 4}, Data: data})
	}},
	{"language_id", []byte("[inputs.bytes]\ntext = true\n"), func() ([]byte, int) {
		text := oip.AppendBytesElement(nil, "Where is the railway station from here, please?")
		return encode(oip.Tensor{Name: "bytes", Datatype: oip.Bytes, Shape: []int64{1}, Data: text})
	}},
}

// encode makes a request with binary tensors both ways.
func encode(input oip.Tensor) (body []byte, headerLength int) {
	body, headerLength, err := oip.AppendInferRequest(nil, &oip.InferRequest{
		Inputs: []oip.Tensor{input}, BinaryInputs: true, BinaryDefault: true,
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return body, headerLength
}

// clients ask one node over connections that they keep.
type clients struct {
	http    *fasthttp.HostClient
	address string
	n       int
}

func newClients(address string, n int) *clients {
	return &clients{
		// The metrics are read beside the clients.
		http: &fasthttp.HostClient{Addr: address, MaxConns: n + 1}, address: address, n: n,
	}
}

// result is one measurement.
type result struct {
	rate float64 // answers a second
	rows float64 // in a run, on average
}

// load has all clients ask for d.
func (c *clients) load(ctx context.Context, model string, body func() ([]byte, int), d time.Duration) (result, error) {
	rowsBefore, runsBefore, err := c.counts(model)
	if err != nil {
		return result{}, err
	}
	var answered atomic.Int64
	errs := make(chan error, c.n)
	began := time.Now()
	var wg sync.WaitGroup
	for range c.n {
		wg.Go(func() {
			errs <- c.ask(ctx, model, body, began.Add(d), &answered)
		})
	}
	wg.Wait()
	took := time.Since(began)
	for range c.n {
		if err := <-errs; err != nil {
			return result{}, err
		}
	}
	rows, runs, err := c.counts(model)
	return result{float64(answered.Load()) / took.Seconds(), (rows - rowsBefore) / max(runs-runsBefore, 1)}, err
}

// ask asks one question after the other until end.
func (c *clients) ask(ctx context.Context, model string, body func() ([]byte, int), end time.Time, answered *atomic.Int64) error {
	var request fasthttp.Request
	var response fasthttp.Response
	request.SetRequestURI("http://" + c.address + "/v2/models/" + model + "/infer")
	request.Header.SetMethod(fasthttp.MethodPost)
	data, headerLength := body()
	request.Header.Set(oip.HeaderLengthName, strconv.Itoa(headerLength))
	request.SetBodyRaw(data)
	for time.Now().Before(end) && ctx.Err() == nil {
		if err := c.http.Do(&request, &response); err != nil {
			return err
		}
		if response.StatusCode() != fasthttp.StatusOK {
			return fmt.Errorf("%s answered %d %s", model, response.StatusCode(), response.Body())
		}
		answered.Add(1)
	}
	return ctx.Err()
}

// get reads a page of the node.
func (c *clients) get(path string) (int, []byte, error) {
	var request fasthttp.Request
	var response fasthttp.Response
	request.SetRequestURI("http://" + c.address + path)
	err := c.http.Do(&request, &response)
	return response.StatusCode(), response.Body(), err
}

// waitReady waits until the node has loaded its models.
func (c *clients) waitReady(ctx context.Context) error {
	for {
		status, _, err := c.get("/v2/health/ready")
		if err != nil || status == fasthttp.StatusOK {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// counts reads how many rows of a model have been answered, in how many runs.
func (c *clients) counts(model string) (rows, runs float64, err error) {
	_, text, err := c.get("/metrics")
	if err != nil {
		return 0, 0, err
	}
	for series, value := range map[string]*float64{"nv_inference_count": &rows, "nv_inference_exec_count": &runs} {
		_, rest, ok := bytes.Cut(text, []byte(series+`{model="`+model+`",version="1"} `))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		if *value, err = strconv.ParseFloat(string(line), 64); err != nil || !ok {
			return 0, 0, fmt.Errorf("the node's metrics have no %s of %s", series, model)
		}
	}
	return rows, runs, nil
}
