package rpc

import (
	"context"
	"path"
	"slices"

	"google.golang.org/grpc"
)

// around is what grpc's services are registered with: each of their handlers gets the same few lines around it. grpc's own
// interceptors would not do, as they come after a message has been read and decoded.
type around struct{ server *Server }

// RegisterService implements grpc.ServiceRegistrar.
func (a around) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	service := *desc
	service.Methods = slices.Clone(service.Methods)
	for i := range service.Methods {
		m := &service.Methods[i]
		m.Handler = a.unary(path.Join("/", service.ServiceName, m.MethodName), m.Handler)
	}
	service.Streams = slices.Clone(service.Streams)
	for i := range service.Streams {
		m := &service.Streams[i]
		m.Handler = a.stream(path.Join("/", service.ServiceName, m.StreamName), m.Handler, m.ClientStreams && m.StreamName != streamInfer)
	}
	a.server.grpc.RegisterService(&service, implementation)
}

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (a around) GetServiceInfo() map[string]grpc.ServiceInfo { return a.server.grpc.GetServiceInfo() }

func (a around) unary(method string, handler grpc.MethodHandler) grpc.MethodHandler {
	s, calls := a.server, a.server.metrics.calls(method)
	return func(srv any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (reply any, err error) {
		defer func() { calls.ended(err) }()
		defer s.recovered(method, &err)
		s.stamp(ctx)
		reply, err = handler(srv, ctx, receive, nil)
		return reply, s.refuse(ctx, method, err)
	}
}

// stream is unary for streams. foreign says that the handler knows nothing of the drain.
func (a around) stream(method string, handler grpc.StreamHandler, foreign bool) grpc.StreamHandler {
	s, calls := a.server, a.server.metrics.calls(method)
	return func(srv any, stream grpc.ServerStream) (err error) {
		defer func() { calls.ended(err) }()
		defer s.recovered(method, &err)
		s.stamp(stream.Context())
		if foreign {
			stream = leaving{stream, s}
		}
		return s.refuse(stream.Context(), method, handler(srv, stream))
	}
}

// leaving is a stream whose handler, which is not ours, waits for the client for as long as it likes. The drain ends that: it
// would wait for the whole drain timeout otherwise, and call it a failure.
type leaving struct {
	grpc.ServerStream
	server *Server
}

// RecvMsg implements grpc.ServerStream.
func (l leaving) RecvMsg(m any) error {
	received := make(chan error, 1)
	l.server.receivers.Go(func() { received <- l.ServerStream.RecvMsg(m) }) // it ends once the handler has returned
	select {
	case err := <-received:
		return err
	case <-l.server.draining:
		return errLeaving
	}
}
