package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"

	"ganglion/gateway/rpc"
	"ganglion/internal/hop"
	"ganglion/internal/oip"
)

// overGRPC carries an inference in REST's form to a node that speaks gRPC. The answer is in REST's form again, each output
// as the client wants it.
func (b *bridge) overGRPC(ctx context.Context, conn *grpc.ClientConn, call oip.Call, out *outbound, resp *fasthttp.Response, inflated int) error {
	if err := b.fromREST(out, inflated); err != nil {
		return err
	}
	b.body = oip.AppendProtoInferRequest(b.body[:0], call.Model, call.Version, &b.request)
	var answer rpc.Message
	defer answer.Free()
	if err := conn.Invoke(ctx, methodInfer, rpc.NewMessage(b.body), &answer); err != nil {
		return err
	}
	if err := b.response.DecodeProto(answer.Bytes(), messageLimits()); err != nil {
		return fmt.Errorf("%w: %v", errUnreadable, err) //nolint:errorlint // a node's fault, not a refusal for the client
	}
	return b.answerREST(resp)
}

// fromREST reads the REST request that out is.
func (b *bridge) fromREST(out *outbound, inflated int) error {
	body, err := inflate(out.body, headerOf(out.headers, fasthttp.HeaderContentEncoding), inflated)
	if err != nil {
		return err
	}
	length, err := oip.ParseHeaderLength(headerOf(out.headers, headerInferLength))
	if err != nil {
		return err
	}
	if length == 0 {
		return oip.Errorf(oip.Unsupported, "the model's node does not know raw binary requests, and they cannot be translated: "+
			"name the input, and give its shape and datatype")
	}
	return b.request.Decode(body, length, messageLimits())
}

// headerOf is the value of a header, nil when there is none.
func headerOf(headers []hop.Header, name string) []byte {
	for i := range headers {
		if string(headers[i].Name) == name {
			return headers[i].Value
		}
	}
	return nil
}

// inflate undoes the compression of a body, to at most limit bytes.
func inflate(body, encoding []byte, limit int) ([]byte, error) {
	var r io.Reader
	var err error
	switch string(encoding) {
	case "", "identity":
		return body, nil
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, oip.Errorf(oip.Unsupported, "Unsupported compression type")
	}
	if err != nil {
		return nil, oip.Errorf(oip.InvalidArgument, "the body is not %s: %v", encoding, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, oip.Errorf(oip.InvalidArgument, "the body is not %s: %v", encoding, err)
	case len(plain) > limit:
		return nil, oip.Errorf(oip.TooLarge, "the inflated body is larger than server.max_body")
	}
	return plain, nil
}
