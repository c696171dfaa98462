package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// codeOf is the gRPC code for an HTTP status of ours or a node's. Where Triton has a pair for the two protocols it is
// Triton's; the others are those of grpc's own table for proxies, with more detail where a status says more.
func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return codes.ResourceExhausted // what grpc says of messages beyond its limit, too
	case statusClientClosed:
		return codes.Canceled
	case http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusUnsupportedMediaType:
		return codes.Unimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	switch {
	case httpStatus < 400:
		return codes.OK
	case httpStatus < 500:
		return codes.InvalidArgument
	}
	return codes.Internal
}

// HTTPStatus is the HTTP status for a code that a node answered with: codeOf, the other way round.
func HTTPStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.AlreadyExists:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// statusClientClosed is nginx's status for a client that did not wait.
const statusClientClosed = 499

// longestText bounds what a client gets to read. Trailers are headers, for which many clients have 8 KiB in all, and each
// byte of the text may take three of them.
const longestText = 2 << 10

// errorOf is the error that an answer says, nil when it says none.
func errorOf(a Answer) error {
	code := codeOf(a.Status())
	if code == codes.OK {
		if a.Status() != http.StatusOK { // such as a redirect: its body is no message
			return status.Errorf(codes.Internal, "a node answered with the status %d", a.Status())
		}
		return nil
	}
	return status.Error(code, textOf(a.Status(), a.Body()))
}

// textOf is the text of an error answer: its "error", or else what the status means.
func textOf(httpStatus int, body []byte) string {
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		if e.Error = http.StatusText(httpStatus); e.Error == "" {
			e.Error = "the node refused the request"
		}
	}
	if len(e.Error) > longestText {
		e.Error = e.Error[:longestText]
	}
	return strings.ToValidUTF8(e.Error, "\uFFFD")
}

// gone is the error of a call whose client stopped waiting: its deadline passed, or it hung up.
func gone(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return status.Error(codes.DeadlineExceeded, "the call's deadline passed before the model had answered")
	}
	return status.Error(codes.Canceled, "the client cancelled the call")
}
