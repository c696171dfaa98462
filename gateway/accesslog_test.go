package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"ganglion/internal/oip"
	"ganglion/internal/testlog"
	"ganglion/internal/testnode"
)

// loggable is an exchange as it looks when its line is written.
func loggable(t testing.TB, target string) *exchange {
	t.Helper()
	ctx := new(fasthttp.RequestCtx)
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI(target)
	ctx.Request.Header.SetRequestURI(target)
	ctx.Request.Header.Set("Authorization", "Bearer secret")
	ctx.Response.SetBodyString("12345")
	x := &exchange{
		req: &ctx.Request, resp: &ctx.Response, start: time.Date(2026, 11, 23, 8, 0, 0, 123456789, time.FixedZone("", 3600)),
		id: []byte("req-1"), client: []byte("10.1.2.3"), status: 200, reason: reasonOK, bytesIn: 150,
	}
	x.call, _ = oip.ParsePath(strings.Split(target, "?")[0])
	return x
}

func TestAccessLogLines(t *testing.T) {
	proxied := loggable(t, "/v2/models/iris/infer?key=secret")
	proxied.route = &route{name: "*"}
	proxied.variant = &variant{name: "canary"}
	proxied.attempts, proxied.use, proxied.upstream = 2, cacheMiss, 1200*time.Microsecond
	proxied.tried = [maxNodes]*node{{address: "10.0.0.1:9000"}, {address: "10.0.0.2:9000"}}

	failed := loggable(t, "/v2/models/iris/infer")
	failed.route, failed.variant = &route{name: "iris"}, &variant{name: "stable"}
	failed.status, failed.reason, failed.cause = 503, reasonNoNode, errors.New("no \"node\"")

	strange := loggable(t, "/\x01\"\\"+strings.Repeat("x", 300))
	strange.status, strange.reason = 404, reasonNotFound

	for name, c := range map[string]struct {
		x    *exchange
		want string
	}{
		"proxied": {proxied, `{"time":"2026-11-23T07:00:00.123Z","id":"req-1","client":"10.1.2.3","protocol":"http","method":"POST",` +
			`"path":"/v2/models/iris/infer","model":"iris","route":"*","variant":"canary","nodes":["10.0.0.1:9000","10.0.0.2:9000"],` +
			`"attempts":2,"cache":"miss","status":200,"reason":"ok","bytes_in":150,"bytes_out":5,"ms":1.500,"upstream_ms":1.200}`},
		"failed": {failed, `{"time":"2026-11-23T07:00:00.123Z","id":"req-1","client":"10.1.2.3","protocol":"http","method":"POST",` +
			`"path":"/v2/models/iris/infer","model":"iris","route":"iris","variant":"stable","nodes":[],"attempts":0,"cache":"off",` +
			`"status":503,"reason":"no_node","bytes_in":150,"bytes_out":5,"ms":1.500,"error":"no \"node\""}`},
		"strange": {strange, `{"time":"2026-11-23T07:00:00.123Z","id":"req-1","client":"10.1.2.3","protocol":"http","method":"POST",` +
			`"path":"/\u0001\"\\` + strings.Repeat("x", 252) + `","status":404,"reason":"not_found","bytes_in":150,"bytes_out":5,"ms":1.500}`},
	} {
		got := string(appendAccessLine(nil, c.x, 1500*time.Microsecond))
		if got != c.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		parse(t, got)
	}
}

func TestAccessLogLinesDoNotAllocate(t *testing.T) {
	x := loggable(t, "/v2/models/iris/infer")
	x.route, x.variant = &route{name: "iris"}, &variant{name: "stable"}
	x.attempts, x.tried[0] = 1, &node{address: "10.0.0.1:9000"}
	l := newAccessLog(io.Discard, quiet)
	l.pending = make([]byte, 0, logRoom)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		l.pending = l.pending[:0]
		l.write(appendAccessLine(buf, x, time.Millisecond))
	}); n != 0 {
		t.Errorf("a line allocates %v times", n)
	}
}

// stalled is a disk that does not come back until told.
type stalled struct {
	release chan struct{}
	testlog.Log
}

func (s *stalled) Write(p []byte) (int, error) {
	<-s.release
	return s.Log.Write(p)
}

func TestAStalledDiskLosesLinesNotRequests(t *testing.T) {
	disk := &stalled{release: make(chan struct{})}
	l := newAccessLog(disk, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { l.run(ctx) })
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const written = 2*logRoom/1024 + 1000
	for range written { // returns at once, whatever the disk does
		l.write(line)
	}
	if l.dropped.Load() == 0 {
		t.Error("nothing was dropped")
	}
	close(disk.release)
	cancel()
	group.Wait()
	if got := uint64(len(disk.Lines())); got != l.lines.Load() || got+l.dropped.Load() != written {
		t.Errorf("of %d lines %d reached the disk, %d were taken, %d dropped", written, got, l.lines.Load(), l.dropped.Load())
	}
}

func TestADiskThatFailsIsCounted(t *testing.T) {
	l := newAccessLog(failing{}, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.write([]byte("a\n"))
	l.write([]byte("b\n"))
	l.run(ctx)
	if got := l.dropped.Load(); got != 2 {
		t.Errorf("%d lines are counted as lost, want 2", got)
	}
}

// A full disk fails many writes a second: they are said once, and their sum at the end.
func TestADiskThatFailsIsNotReportedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said testlog.Log
		l := newAccessLog(failing{}, slog.New(slog.NewTextHandler(&said, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { l.run(ctx) })
		for range 90 {
			l.write([]byte("a\n"))
			time.Sleep(time.Second)
		}
		cancel()
		group.Wait()
		got := said.Lines()
		if len(got) != 3 {
			t.Fatalf("said %d lines in 90 seconds, want one a minute and one at the end:\n%s", len(got), strings.Join(got, "\n"))
		}
		for i, want := range []string{"lines_lost=1 ", "lines_lost=60 ", "lines_lost=29 "} {
			if !strings.Contains(got[i], want) || !strings.Contains(got[i], "disk full") {
				t.Errorf("line %d is %q, want %q in it", i, got[i], want)
			}
		}
	})
}

// What was not read is not logged as if it had been.
func TestRefusedRequestsAreLoggedAsFarAsTheyCame(t *testing.T) {
	t.Parallel()
	n := testnode.Start(t)
	patient := launch(t, oneNode+anyRoute, n)
	// What arrives in time is read in time, unless the machine stands still for so long.
	hasty := launch(t, "[server]\nread_timeout = \"3s\"\ndrain_delay = \"0s\"\n"+oneNode+anyRoute, n)
	for _, c := range []struct {
		at           *edge
		line         int
		sent         string
		status       float64
		method, path any
	}{
		{patient, 0, "NONSENSE\r\n\r\n", 400, nil, nil},
		{patient, 1, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n", 413, "POST", "/"},
		{hasty, 0, "GE", 408, nil, nil},
		{hasty, 1, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 10000), 408, "POST", "/v2/models/m/infer"},
	} {
		e := c.at
		conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.sent); err != nil {
			t.Fatal(err)
		}
		got := e.logged(c.line + 1)[c.line]
		conn.Close()
		_, timed := got["ms"]
		if got["status"] != c.status || got["method"] != c.method || got["path"] != c.path || timed {
			t.Errorf("%.20q is logged as %v", c.sent, got)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestLinesArriveWhileTheGatewayRuns(t *testing.T) {
	l := newAccessLog(new(testlog.Log), quiet)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { l.run(ctx) })
	for i := range 3 {
		l.write([]byte("x\n"))
		eventually(t, "the line", func() bool { return len(l.to.(*testlog.Log).Lines()) == i+1 })
	}
	cancel()
	group.Wait()
}
