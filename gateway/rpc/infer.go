package rpc

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/internal/oip"
	"ganglion/internal/rpcwire"
)

// infer is the handler of ModelInfer.
func (s *Server) infer(stream grpc.ServerStream) error {
	ctx := stream.Context()
	c := callOf(ctx)
	var m rpcwire.Message
	defer func() { m.Free() }()
	if err := stream.RecvMsg(&m); err != nil {
		return err
	}
	c.arrived()
	release, err := s.bodies.hold(len(m.Bytes()))
	if err != nil {
		return err
	}
	defer release()
	if err := readHead(&c.question, m.Bytes(), new(string)); err != nil {
		return err
	}
	c.answer = s.edge.Ask(ctx, &c.question)
	if ctx.Err() != nil {
		return gone(ctx)
	}
	if err := tellAbout(stream, c.answer); err != nil {
		return err
	}
	if err := errorOf(c.answer); err != nil {
		return err
	}
	body, err := s.unread.bodyOf(c.answer)
	if err != nil {
		return err
	}
	return stream.SendMsg(rpcwire.HandOver(body))
}

// readHead makes q the question of a ModelInferRequest, and id its id.
func readHead(q *Question, msg []byte, id *string) error {
	head, err := oip.ScanProtoHead(msg)
	if err != nil {
		return errorFrom(err)
	}
	*id = string(head.ID)
	path, err := modelPath(string(head.Model), string(head.Version), "/infer")
	if err != nil {
		return err
	}
	q.Method, q.Path, q.Body, q.Proto = "POST", path, msg, true
	return nil
}

// modelPath is the path that REST has for a call to a model, or the error of a name or a version that it could not hold.
func modelPath(model, version, verb string) (string, error) {
	path := "/v2/models/" + model
	if !wellFormed(path) {
		return "", unknownModel(model)
	}
	if version != "" {
		path += "/versions/" + version
		if !wellFormed(path) {
			return "", status.Errorf(codes.InvalidArgument, "failed to get model version from specified version string '%s' "+
				"(details: neither a number nor an alias), version should be an integral value > 0", shortened(version))
		}
	}
	return path + verb, nil
}

// wellFormed reports whether the path of a model is one, and has its one spelling: names on gRPC are not percent-encoded.
func wellFormed(path string) bool {
	call, ok := oip.ParsePath(path)
	return ok && call.Kind == oip.CallModelMetadata && strings.IndexByte(path, '%') < 0
}

// unknownModel has the wording that clients of Triton look for.
func unknownModel(model string) error {
	return status.Errorf(codes.NotFound, "Request for unknown model: '%s' is not found", shortened(model))
}

// shortened bounds what an error repeats of a client's own text.
func shortened(s string) string {
	const longest = 64 // as long as a model's name can be
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// errorFrom is the gRPC error for one of the codec's.
func errorFrom(err error) error {
	if e, ok := errors.AsType[*oip.Error](err); ok {
		return status.Error(codeOf(e.Code.HTTPStatus()), e.Msg)
	}
	return status.Error(codes.InvalidArgument, err.Error())
}

// passedOn are the headers of an answer that a client gets as metadata, by the names they have there.
var passedOn = [...][2]string{ // read-only
	{"X-Request-Id", "x-request-id"},
	{"X-Cache", "x-cache"},
	{"Retry-After", "retry-after"},
	{"Server-Timing", "server-timing"},
}

// tellAbout sends, with the answer, what its headers say. With an error it goes into the trailers: a client's own retries, and
// the word when they make sense, are only for calls that got nothing before their status.
func tellAbout(stream grpc.ServerStream, a Answer) error {
	md := metadataOf(a)
	if codeOf(a.Status()) == codes.OK {
		return stream.SetHeader(md)
	}
	if seconds, err := strconv.Atoi(a.Header("Retry-After")); err == nil && seconds > 0 {
		md.Set("grpc-retry-pushback-ms", strconv.Itoa(1000*seconds))
	}
	stream.SetTrailer(md)
	return nil
}

func metadataOf(a Answer) metadata.MD {
	md := make(metadata.MD, len(passedOn))
	for _, name := range passedOn {
		if value := a.Header(name[0]); value != "" {
			md[name[1]] = []string{value}
		}
	}
	return md
}

// ask is a question with no message behind it, such as for metadata. It returns the body of an answer below status 400.
func (s *Server) ask(ctx context.Context, method, path string, body []byte) (Answer, error) {
	c := callOf(ctx)
	q := &c.question
	q.Method, q.Path, q.Body = method, path, body
	c.answer = s.edge.Ask(ctx, q)
	if ctx.Err() != nil {
		return nil, gone(ctx)
	}
	return c.answer, grpc.SetHeader(ctx, metadataOf(c.answer))
}
