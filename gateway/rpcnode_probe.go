package gateway

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"ganglion/internal/oip/pb"
)

// probeRPC is probe for a node that speaks gRPC.
func probeRPC(ctx context.Context, via dialer) error {
	conn, err := grpc.NewClient("passthrough:///"+via.address, grpc.WithTransportCredentials(via.credentials()),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithUserAgent("ganglion-probe"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // fails only if it is closed
	out, err := pb.NewGRPCInferenceServiceClient(conn).ServerReady(ctx, &pb.ServerReadyRequest{})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("no answer to ServerReady: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("no answer to ServerReady: %w", err)
	case !out.GetReady():
		return errors.New("answers that it is not ready to ServerReady")
	}
	return nil
}
