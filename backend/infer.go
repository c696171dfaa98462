package backend

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
)

// exchange is the memory of one REST inference and its answer, reused for later ones.
type exchange struct {
	inference
	request  oip.InferRequest
	response oip.InferResponse
	body     []byte // of the answer
}

// infer answers POST …/infer and …:predict.
func (s *Server) infer(ctx *fasthttp.RequestCtx, call oip.Call) {
	began := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	in, err := s.acquire(call.Model, call.Version)
	if err == nil {
		x := s.exchanges.Get().(*exchange) // the pool's New makes nothing else
		x.began, x.in, x.refused = began, in, false
		err = s.exchange(ctx, call, x)
		in.metrics.ended(err == nil, x.refused, began)
	}
	status := fasthttp.StatusOK
	if err != nil {
		status = s.refuse(ctx, err)
	}
	s.metrics.answered(in, status, began)
}

// exchange reads the request, runs the model and writes the answer.
func (s *Server) exchange(ctx *fasthttp.RequestCtx, call oip.Call, x *exchange) error {
	defer func() {
		s.settle(&x.inference)
		x.reset()
		s.exchanges.Put(x)
	}()
	if err := s.read(ctx, call, x.in, x); err != nil {
		return err
	}
	if err := s.run(context.Background(), &x.inference, &x.request, &x.response); err != nil {
		return err
	}
	if err := x.write(ctx, call); err != nil {
		return err
	}
	return s.holdAnswer(ctx)
}

// read decodes the request's body, which stays the connection's.
func (s *Server) read(ctx *fasthttp.RequestCtx, call oip.Call, in *instance, x *exchange) error {
	if encoding := ctx.Request.Header.ContentEncoding(); len(encoding) > 0 && !strings.EqualFold(string(encoding), "identity") {
		return oip.Errorf(oip.Unsupported, "content encoding %q is not supported: send the body as it is", encoding)
	}
	if call.Kind == oip.CallV1Predict {
		return x.request.DecodeV1(ctx.PostBody(), in.rows, s.limits)
	}
	values := ctx.Request.Header.PeekAll(oip.HeaderLengthName)
	if len(values) > 1 { // a proxy in between may have gone by the other
		return oip.Errorf(oip.InvalidArgument, "more than one %s header", oip.HeaderLengthName)
	}
	length, err := oip.NoHeaderLength, error(nil)
	if len(values) == 1 {
		length, err = oip.ParseHeaderLength(values[0])
	}
	if err != nil {
		return err
	}
	if length == 0 {
		return x.request.DecodeRaw(ctx.PostBody(), in.inputs, s.limits)
	}
	return x.request.Decode(ctx.PostBody(), length, s.limits)
}

// write encodes the response. The buffer is exchanged for the one that fasthttp has, which saves a copy.
func (x *exchange) write(ctx *fasthttp.RequestCtx, call oip.Call) (err error) {
	length := oip.NoHeaderLength
	if call.Kind == oip.CallV1Predict {
		x.body, err = oip.AppendV1Predictions(x.body[:0], x.response.Outputs)
	} else {
		x.body, length, err = oip.AppendInferResponse(x.body[:0], &x.response)
	}
	if err != nil {
		return err
	}
	ctx.SetStatusCode(fasthttp.StatusOK)
	ctx.SetContentType("application/json")
	if string(ctx.Request.Header.Peek(timingName)) == "1" {
		ctx.Response.Header.Set("Server-Timing", timingText(&x.scheduled.Timing))
	}
	if length != oip.NoHeaderLength {
		ctx.SetContentType("application/octet-stream")
		ctx.Response.Header.Set(oip.HeaderLengthName, strconv.Itoa(length))
	}
	x.body = ctx.Response.SwapBody(x.body)
	return nil
}

// reset lets go of the request's body and of buffers too large to keep.
func (x *exchange) reset() {
	x.request.Reset(keepBytes)
	x.response.Reset(keepBytes)
	if cap(x.body) > keepBytes {
		x.body = nil
	}
}
