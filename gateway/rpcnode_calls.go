package gateway

import (
	"context"
	"encoding/json"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"ganglion/gateway/rpc"
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// askRare puts a question that is no inference, and that came in REST's form, to a node that speaks gRPC. The answer is in
// REST's form again.
func askRare(ctx context.Context, conn *grpc.ClientConn, call oip.Call, body []byte, resp *fasthttp.Response) error {
	answer, err := rareAnswer(ctx, pb.NewGRPCInferenceServiceClient(conn), call, body)
	if err != nil {
		return err
	}
	resp.Header.SetContentType("application/json")
	resp.SetBody(answer)
	return nil
}

func rareAnswer(ctx context.Context, node pb.GRPCInferenceServiceClient, call oip.Call, body []byte) ([]byte, error) {
	switch call.Kind {
	case oip.CallServerMetadata:
		return jsonOf(node.ServerMetadata(ctx, &pb.ServerMetadataRequest{}))
	case oip.CallServerLive:
		return jsonOf(node.ServerLive(ctx, &pb.ServerLiveRequest{}))
	case oip.CallServerReady:
		return jsonOf(node.ServerReady(ctx, &pb.ServerReadyRequest{}))
	case oip.CallModelMetadata:
		return jsonOf(node.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: call.Model, Version: call.Version}))
	case oip.CallModelReady, oip.CallV1Model:
		return modelReady(ctx, node, call)
	case oip.CallModelConfig:
		config, err := node.ModelConfig(ctx, &pb.ModelConfigRequest{Name: call.Model, Version: call.Version})
		return jsonOf(config.GetConfig(), err)
	case oip.CallModelStatistics, oip.CallServerStatistics:
		return jsonOf(node.ModelStatistics(ctx, &pb.ModelStatisticsRequest{Name: call.Model, Version: call.Version}))
	case oip.CallRepositoryIndex:
		return repositoryIndex(ctx, node, body)
	case oip.CallRepositoryLoad:
		return loadModel(ctx, node, call, body)
	case oip.CallRepositoryUnload:
		dependents, err := oip.ParseUnloadRequest(body)
		if err != nil {
			return nil, err
		}
		_, err = node.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: call.Model, Parameters: map[string]*pb.ModelRepositoryParameter{
			"unload_dependents": {ParameterChoice: &pb.ModelRepositoryParameter_BoolParam{BoolParam: dependents}},
		}})
		return nil, err
	}
	if err := oip.RefuseCall(call.Kind); err != nil {
		return nil, err
	}
	return nil, oip.Errorf(oip.Unsupported, "the model's node speaks gRPC, which has no such call")
}

// jsonOf is REST's form of an answer.
func jsonOf[M proto.Message](m M, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return rpc.AppendJSON(nil, m), nil
}

// modelReady says it as REST does: by its status.
func modelReady(ctx context.Context, node pb.GRPCInferenceServiceClient, call oip.Call) ([]byte, error) {
	out, err := node.ModelReady(ctx, &pb.ModelReadyRequest{Name: call.Model, Version: call.Version})
	if err != nil {
		return nil, err
	}
	if !out.GetReady() {
		return nil, oip.Refusef(oip.NotReady, "Model version not ready")
	}
	answer, err := json.Marshal(map[string]any{"name": call.Model, "ready": true})
	return answer, err
}

// repositoryIndex is a bare list over REST.
func repositoryIndex(ctx context.Context, node pb.GRPCInferenceServiceClient, body []byte) ([]byte, error) {
	onlyReady, err := oip.ParseIndexRequest(body)
	if err != nil {
		return nil, err
	}
	out, err := node.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{Ready: onlyReady})
	if err != nil {
		return nil, err
	}
	entries := make([]oip.IndexEntry, len(out.GetModels()))
	for i, m := range out.GetModels() {
		entries[i] = oip.IndexEntry{Name: m.GetName(), Version: m.GetVersion(), State: oip.ModelState(m.GetState()), Reason: m.GetReason()}
	}
	return oip.AppendIndex(nil, entries), nil
}

func loadModel(ctx context.Context, node pb.GRPCInferenceServiceClient, call oip.Call, body []byte) ([]byte, error) {
	opt, err := oip.ParseLoadRequest(body)
	if err != nil {
		return nil, err
	}
	parameters := make(map[string]*pb.ModelRepositoryParameter, len(opt.Files)+1)
	if opt.Config != nil {
		parameters["config"] = &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_StringParam{StringParam: string(opt.Config)}}
	}
	for name, content := range opt.Files {
		parameters["file:"+name] = &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_BytesParam{BytesParam: content}}
	}
	_, err = node.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: call.Model, Parameters: parameters})
	return nil, err
}
