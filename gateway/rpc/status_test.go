package rpc

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
)

// A node's code survives the way through HTTP's statuses, which is how the gateway judges answers, as far as they have one
// for it.
func TestCodesSurviveTheWayThroughHTTP(t *testing.T) {
	for _, code := range []codes.Code{
		codes.OK, codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Aborted,
		codes.ResourceExhausted, codes.Unimplemented, codes.Unavailable, codes.DeadlineExceeded, codes.Internal,
	} {
		if got := codeOf(HTTPStatus(code)); got != code {
			t.Errorf("%v becomes %d and that %v", code, HTTPStatus(code), got)
		}
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		if good := HTTPStatus(code) < 400; good != (code == codes.OK) {
			t.Errorf("%v becomes %d", code, HTTPStatus(code))
		}
	}
}

func TestTheTextOfAnError(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		if got := textOf(503, []byte(body)); got != want {
			t.Errorf("%q: got %q, want %q", body, got, want)
		}
	}
	f(`{"error":"the model is busy"}`, "the model is busy")
	f(`{"error":""}`, "Service Unavailable")
	f("<html>no</html>", "Service Unavailable")
	f("", "Service Unavailable")
	long := textOf(400, []byte(`{"error":"`+strings.Repeat("ü", 5000)+`"}`))
	if len(long) > longestText+utf8.UTFMax || !utf8.ValidString(long) {
		t.Errorf("a long text has %d bytes, valid: %v", len(long), utf8.ValidString(long))
	}
}
