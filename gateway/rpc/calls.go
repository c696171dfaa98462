package rpc

import (
	"context"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// serviceName is the protocol's, by which clients address it.
const serviceName = "inference.GRPCInferenceService"

// streamMethod is the one call that has no end of its own.
const streamMethod = "ModelStreamInfer"

// service describes what is served under the protocol's name.
func service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: "ModelInfer", Handler: handler((*Server).infer)},
			{StreamName: streamMethod, Handler: handler((*Server).inferStream), ServerStreams: true, ClientStreams: true},
			unary("ServerLive", (*Server).serverLive),
			unary("ServerReady", (*Server).serverReady),
			unary("ModelReady", (*Server).modelReady),
			unary("ServerMetadata", (*Server).serverMetadata),
			unary("ModelMetadata", (*Server).modelMetadata),
			unary("ModelConfig", (*Server).modelConfig),
			unary("ModelStatistics", (*Server).modelStatistics),
			unary("RepositoryIndex", (*Server).repositoryIndex),
			unary("RepositoryModelLoad", (*Server).loadModel),
			unary("RepositoryModelUnload", (*Server).unloadModel),
			refused[pb.SystemSharedMemoryStatusRequest]("SystemSharedMemoryStatus", oip.CallSharedMemoryStatus),
			refused[pb.SystemSharedMemoryRegisterRequest]("SystemSharedMemoryRegister", oip.CallSharedMemoryChange),
			refused[pb.SystemSharedMemoryUnregisterRequest]("SystemSharedMemoryUnregister", oip.CallSharedMemoryChange),
			refused[pb.CudaSharedMemoryStatusRequest]("CudaSharedMemoryStatus", oip.CallSharedMemoryStatus),
			refused[pb.CudaSharedMemoryRegisterRequest]("CudaSharedMemoryRegister", oip.CallSharedMemoryChange),
			refused[pb.CudaSharedMemoryUnregisterRequest]("CudaSharedMemoryUnregister", oip.CallSharedMemoryChange),
			refused[pb.TraceSettingRequest]("TraceSetting", oip.CallTraceSetting),
			refused[pb.LogSettingsRequest]("LogSettings", oip.CallLogSetting),
		},
	}
}

// handler makes a method of the server what grpc calls.
func handler(f func(*Server, grpc.ServerStream) error) grpc.StreamHandler {
	return func(srv any, stream grpc.ServerStream) (err error) {
		s := srv.(*Server)
		defer s.contain(&err)
		if s.bodies.full() {
			return errNoRoom
		}
		return f(s, stream)
	}
}

// unknown answers calls that there are not, so that they are written down like others.
func unknown(_ any, stream grpc.ServerStream) error {
	return status.Errorf(codes.Unimplemented, "there is no method %q", shortened(callOf(stream.Context()).question.FullMethod))
}

// unary describes a call with one request and one answer.
func unary[Request, Response any](name string, f func(*Server, context.Context, *Request) (*Response, error)) grpc.StreamDesc {
	return grpc.StreamDesc{StreamName: name, Handler: handler(func(s *Server, stream grpc.ServerStream) error {
		request := new(Request)
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		callOf(stream.Context()).arrived()
		response, err := f(s, stream.Context(), request)
		if err != nil {
			return err
		}
		return stream.SendMsg(response)
	})}
}

// refused describes a call that is known and not offered.
func refused[Request any](name string, kind oip.Kind) grpc.StreamDesc {
	return unary(name, func(*Server, context.Context, *Request) (*struct{}, error) {
		return nil, errorFrom(oip.RefuseCall(kind))
	})
}

func (s *Server) serverLive(ctx context.Context, _ *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	a, err := s.ask(ctx, "GET", "/v2/health/live", nil)
	if err != nil {
		return nil, err
	}
	return &pb.ServerLiveResponse{Live: a.Status() == http.StatusOK}, nil
}

func (s *Server) serverReady(ctx context.Context, _ *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	a, err := s.ask(ctx, "GET", "/v2/health/ready", nil)
	if err != nil {
		return nil, err
	}
	return &pb.ServerReadyResponse{Ready: a.Status() == http.StatusOK}, nil
}

// modelReady says of whatever is not ready that it is not: an unknown model or one whose nodes are down is no error to ask
// for, as with Triton.
func (s *Server) modelReady(ctx context.Context, in *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	path, err := modelPath(in.GetName(), in.GetVersion(), "/ready")
	if status.Code(err) == codes.NotFound {
		return &pb.ModelReadyResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := s.ask(ctx, "GET", path, nil)
	if err != nil {
		return nil, err
	}
	switch a.Status() {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return nil, errorOf(a) // says nothing about the model
	}
	return &pb.ModelReadyResponse{Ready: a.Status() == http.StatusOK}, nil
}

func (s *Server) serverMetadata(ctx context.Context, _ *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	out := new(pb.ServerMetadataResponse)
	return out, s.read(ctx, "/v2", out)
}

func (s *Server) modelMetadata(ctx context.Context, in *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	out := new(pb.ModelMetadataResponse)
	return out, s.readModel(ctx, in, "", out)
}

func (s *Server) modelConfig(ctx context.Context, in *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	out := &pb.ModelConfigResponse{Config: new(pb.ModelConfig)}
	return out, s.readModel(ctx, in, "/config", out.GetConfig())
}

func (s *Server) modelStatistics(ctx context.Context, in *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	out := new(pb.ModelStatisticsResponse)
	if in.GetName() == "" {
		return out, s.read(ctx, "/v2/models/stats", out)
	}
	return out, s.readModel(ctx, in, "/stats", out)
}

// modelNamed are the requests that name a model and a version.
type modelNamed interface {
	GetName() string
	GetVersion() string
}

// readModel asks for what REST has at a model's path.
func (s *Server) readModel(ctx context.Context, in modelNamed, verb string, out proto.Message) error {
	path, err := modelPath(in.GetName(), in.GetVersion(), verb)
	if err != nil {
		return err
	}
	return s.read(ctx, path, out)
}

// read asks for what REST has at the path, and puts it into out.
func (s *Server) read(ctx context.Context, path string, out proto.Message) error {
	body, err := s.want(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	return fromJSON(body, out)
}

// want asks for an answer that is no error.
func (s *Server) want(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	a, err := s.ask(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	return a.Body(), errorOf(a)
}

// fromJSON reads REST's form of a message. The names of both are the same, by the protocol's design; what a node adds of
// its own is left out.
func fromJSON(body []byte, out proto.Message) error {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, out); err != nil {
		return status.Errorf(codes.Internal, "a node's answer is no %s", out.ProtoReflect().Descriptor().Name())
	}
	return nil
}
