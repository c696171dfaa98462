package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ganglion/balancer"
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// rpcProber is prober for a node that speaks gRPC.
type rpcProber struct {
	via    dialer
	models inventory
}

// ask implements probe.
func (p *rpcProber) ask(ctx context.Context, n *balancer.Node) error {
	var undialed atomic.Pointer[error] // grpc makes a text of it
	conn, err := grpc.NewClient("passthrough:///"+p.via.address, grpc.WithTransportCredentials(p.via.credentials()),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithUserAgent("ganglion-probe"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(indexAnswer)),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				undialed.Store(&err)
			}
			return c, err
		}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // fails only if it is closed
	node := pb.NewGRPCInferenceServiceClient(conn)
	out, err := node.ServerReady(ctx, &pb.ServerReadyRequest{})
	switch why := undialed.Load(); {
	case err != nil && why != nil && isOurs(*why):
		return fmt.Errorf("%w: %w", balancer.ErrUnasked, *why)
	case ctx.Err() != nil:
		return fmt.Errorf("no answer to ServerReady: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("no answer to ServerReady: %w", err)
	case !out.GetReady():
		return errors.New("answers that it is not ready to ServerReady")
	}
	p.models.take(n, &rpcQuestions{ctx, node})
	return nil
}

// rpcQuestions asks over gRPC.
type rpcQuestions struct {
	ctx  context.Context
	node pb.GRPCInferenceServiceClient
}

// index implements questions.
func (q *rpcQuestions) index() ([]oip.IndexEntry, error) {
	out, err := q.node.RepositoryIndex(q.ctx, &pb.RepositoryIndexRequest{Ready: true})
	if status.Code(err) == codes.Unimplemented {
		return nil, errNoIndex
	}
	if err != nil {
		return nil, err
	}
	entries := make([]oip.IndexEntry, len(out.GetModels()))
	for i, m := range out.GetModels() {
		entries[i] = oip.IndexEntry{Name: m.GetName(), Version: m.GetVersion(), State: oip.ModelState(m.GetState())}
	}
	return entries, nil
}

// ready implements questions. A server that does not know the model may say so by an error.
func (q *rpcQuestions) ready(model, version string) (bool, error) {
	out, err := q.node.ModelReady(q.ctx, &pb.ModelReadyRequest{Name: model, Version: version})
	switch status.Code(err) {
	case codes.OK:
		return out.GetReady(), nil
	case codes.NotFound, codes.InvalidArgument:
		return false, nil
	case codes.Unimplemented:
		return false, errUnreadable
	}
	return false, err
}
