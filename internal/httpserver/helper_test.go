package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/valyala/fasthttp"
)

const helperEnv = "HTTPSERVER_TEST_DESCRIPTORS"

// helperMain makes a copy of the test binary a server that has to do with few descriptors: it starts with enough, or it
// would refuse to start, and is then left with as many as the environment says.
func helperMain() bool {
	n, err := strconv.Atoi(os.Getenv(helperEnv))
	if err != nil {
		return false
	}
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var cfg Config
	cfg.SetDefaults()
	served := make(chan error)
	go func() {
		served <- New("helper", cfg, func(ctx *fasthttp.RequestCtx) {}, slog.New(slog.DiscardHandler)).Run(context.Background(), ln)
	}()
	// An answer proves that Run has seen the limit it starts with.
	if resp, err := http.Get("http://" + ln.Addr().String()); err != nil || resp.Body.Close() != nil {
		panic(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(n), Max: uint64(n)}); err != nil {
		panic(err)
	}
	fmt.Println(ln.Addr())
	panic(<-served)
}

func TestConnectionLimit(t *testing.T) {
	var rl syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &rl); err != nil {
		t.Fatal(err)
	}
	with := func(n uint64, configured int) (int, error) {
		t.Helper()
		low := rl
		low.Cur = n
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &rl)
		return connectionLimit(configured)
	}
	f := func(descriptors uint64, configured, want int, message string) {
		t.Helper()
		got, err := with(descriptors, configured)
		if got != want || (err == nil) != (message == "") || err != nil && err.Error() != message {
			t.Errorf("%d descriptors, max_connections = %d: got %d, %v\nwant %d, %s", descriptors, configured, got, err, want, message)
		}
	}
	f(1000, 0, 500, "")
	f(1000, 500, 500, "")
	f(1000, 501, 0, "max_connections = 501 needs a descriptor limit of 1002, this process has 1000: raise it (ulimit -n) or lower max_connections")
	f(63, 0, 0, "descriptor limit of 63 is too low to serve: raise it (ulimit -n) to at least 64")
}
