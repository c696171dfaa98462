package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that the calls besides inference use
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// sharing is how many clients share a connection: HTTP/2 carries many calls, and one connection alone is one writer.
const sharing = 16

// grpcTarget speaks gRPC.
type grpcTarget struct {
	cfg    *Config
	conns  []*grpc.ClientConn
	bodies [][]byte
}

func newGRPCTarget(cfg *Config, address string) (*grpcTarget, error) {
	t := &grpcTarget{cfg: cfg}
	for range (cfg.Clients + sharing - 1) / sharing {
		conn, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDisableRetry(),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxQuestionBytes), grpc.MaxCallSendMsgSize(maxQuestionBytes)))
		if err != nil {
			t.close()
			return nil, err
		}
		t.conns = append(t.conns, conn)
	}
	return t, nil
}

func (t *grpcTarget) prepare(all []oip.InferRequest) error {
	for i := range all {
		t.bodies = append(t.bodies, oip.AppendProtoInferRequest(nil, t.cfg.Model, t.cfg.Version, &all[i]))
	}
	return nil
}

func (t *grpcTarget) ask(client, i int, wantsTrace bool) reply {
	ctx, cancel := context.WithTimeout(context.Background(), t.cfg.Timeout)
	defer cancel()
	if wantsTrace {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-ganglion-timing", "1")
	}
	var answer raw
	var header metadata.MD
	err := t.conns[client/sharing].Invoke(ctx, pb.GRPCInferenceService_ModelInfer_FullMethodName, raw(t.bodies[i]), &answer,
		grpc.ForceCodecV2(rawCodec{}), grpc.Header(&header))
	if err != nil {
		s := status.Convert(err)
		return reply{err: fmt.Errorf("%s: %s", s.Code(), s.Message())}
	}
	r := reply{cached: slices.Contains(header.Get("x-cache"), "hit")}
	if wantsTrace {
		r.trace = parseTiming(strings.Join(header.Get("server-timing"), ","))
	}
	return r
}

// raw is a message as it is on the wire.
type raw []byte

// rawCodec sends and receives raw messages: the load is to be the server's, not the generator's.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(raw)
	if !ok {
		return nil, errors.New("BUG: not a raw message")
	}
	return mem.BufferSlice{mem.SliceBuffer(m)}, nil
}

// Unmarshal drops the answer: nobody looks at it.
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

var _ encoding.CodecV2 = rawCodec{}

func (t *grpcTarget) metadata(ctx context.Context) (oip.ModelMetadata, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	answer, err := pb.NewGRPCInferenceServiceClient(t.conns[0]).ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: t.cfg.Model, Version: t.cfg.Version})
	if err != nil {
		return oip.ModelMetadata{}, err
	}
	meta := oip.ModelMetadata{Name: answer.GetName(), Versions: answer.GetVersions(), Platform: answer.GetPlatform()}
	for _, input := range answer.GetInputs() {
		datatype, found := oip.ParseDatatype(input.GetDatatype())
		if !found {
			return meta, fmt.Errorf("input %q has the datatype %q, which the protocol does not have", input.GetName(), input.GetDatatype())
		}
		meta.Inputs = append(meta.Inputs, oip.TensorMetadata{Name: input.GetName(), Datatype: datatype, Shape: input.GetShape()})
	}
	return meta, nil
}

func (t *grpcTarget) statistics(ctx context.Context) []oip.ModelStatistics {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	answer, err := pb.NewGRPCInferenceServiceClient(t.conns[0]).ModelStatistics(ctx, &pb.ModelStatisticsRequest{Name: t.cfg.Model, Version: t.cfg.Version})
	if err != nil {
		return nil
	}
	var all []oip.ModelStatistics
	for _, s := range answer.GetModelStats() {
		of := s.GetInferenceStats()
		all = append(all, oip.ModelStatistics{
			Name: s.GetName(), Version: s.GetVersion(), InferenceCount: s.GetInferenceCount(), ExecutionCount: s.GetExecutionCount(),
			Inference: oip.InferenceStatistics{
				Success: duration(of.GetSuccess()), Fail: duration(of.GetFail()), Queue: duration(of.GetQueue()),
				ComputeInput: duration(of.GetComputeInput()), ComputeInfer: duration(of.GetComputeInfer()), ComputeOutput: duration(of.GetComputeOutput()),
				CacheHit: duration(of.GetCacheHit()), CacheMiss: duration(of.GetCacheMiss()),
			},
		})
	}
	return all
}

func duration(d *pb.StatisticDuration) oip.StatisticDuration {
	return oip.StatisticDuration{Count: d.GetCount(), NS: d.GetNs()}
}

func (t *grpcTarget) close() {
	for _, c := range t.conns {
		_ = c.Close() // it reports only that it was closed before
	}
}
