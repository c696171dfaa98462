package gateway

import (
	"context"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"

	"ganglion/internal/hop"
	"ganglion/internal/oip"
	"ganglion/internal/rpcwire"
)

// overGRPC carries an inference in REST's form to a node that speaks gRPC. The answer is in REST's form again, each output
// as the client wants it.
func (b *bridge) overGRPC(ctx context.Context, conn *grpc.ClientConn, call oip.Call, out *outbound, resp *fasthttp.Response, inflated inflation) error {
	body, length, err := b.plainREST(out, inflated)
	if err != nil {
		return err
	}
	if b.body, err = b.RequestToProto(b.body[:0], body, length, call.Model, call.Version, messageLimits()); err != nil {
		return err
	}
	var answer rpcwire.Message
	defer answer.Free()
	if err := conn.Invoke(ctx, methodInfer, rpcwire.NewMessage(b.body), &answer); err != nil {
		return err
	}
	b.answer, length, err = b.AnswerFromProto(b.answer[:0], answer.Bytes(), messageLimits())
	return b.answerREST(resp, length, err)
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
