package backend_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/conf"
	"ganglion/internal/oip"
)

// ask puts a request to a handler and returns the answer's status and body.
func ask(handle fasthttp.RequestHandler, body string) (status int, answer string) {
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI("/v2/models/iris/infer")
	ctx.Request.SetBodyString(body)
	handle(&ctx)
	return ctx.Response.StatusCode(), string(ctx.Response.Body())
}

// TestAnswersInFlight: large answers are refused while others of that size wait to be read, and count no more once the
// client has read them.
func TestAnswersInFlight(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Fill(2), filepath.Join(dir, "iris", "1", "model.onnx"))
	const large = `{"inputs":[{"name":"size","shape":[2],"datatype":"INT64","data":[400,250]}]}` // 200 kB of JSON
	engine, err := onnx.New(onnx.Config{Library: onnxtest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	handle, stop := backend.HandlerForTest(t, engine, dir, backend.BoundAnswers(300_000))
	var unread fasthttp.RequestCtx
	unread.Request.Header.SetMethod("POST")
	unread.Request.SetRequestURI("/v2/models/iris/infer")
	unread.Request.SetBodyString(large)
	handle(&unread)
	if unread.Response.StatusCode() != 200 {
		t.Fatalf("got %d %s", unread.Response.StatusCode(), unread.Response.Body())
	}
	if status, answer := ask(handle, large); status != 503 || !strings.Contains(answer, "answers that are being read take more than") {
		t.Errorf("while another is unread: got %d %.200s", status, answer)
	}
	unread.ResetUserValues() // what a server does once it has written the answer
	if status, answer := ask(handle, large); status != 200 {
		t.Errorf("afterwards: got %d %.200s", status, answer)
	}
	stop()
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}

	n := startNode(t, dir, func(c *backend.Config) { c.MaxOutput = 512 * conf.KiB })
	for range 30 { // 6 MB in all, 4 MiB at a time
		n.post("/v2/models/iris/infer", large).want(t, 200, "")
	}
}

// TestTensorsInFlight: requests that wait for a run are refused once their tensors take what they may together; the
// memory is free again when a request ends, however it ends.
func TestTensorsInFlight(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	engine := &fakeEngine{run: func(_ context.Context, inputs []oip.Tensor) ([]oip.Tensor, error) {
		switch inputs[0].Data[3] { // of the first number, its sign and exponent
		case 0x40: // 2 and more
			begun <- struct{}{}
			<-goOn
		case 0xc0: // -2 and less
			panic("the engine has lost its mind")
		}
		return inputs, nil
	}}
	handle, stop := backend.HandlerForTest(t, engine, dir, backend.BoundTensors(100))
	defer stop()

	request := func(first string) string { // 60 bytes of tensors
		return strings.Replace(fakeRequestOf(first+strings.Repeat(",1", 14)), "[1]", "[15]", 1)
	}
	var first sync.WaitGroup
	first.Go(func() {
		if status, answer := ask(handle, request("2")); status != 200 {
			t.Errorf("the first: got %d %s", status, answer)
		}
	})
	<-begun
	if status, answer := ask(handle, request("2")); status != 503 || !strings.Contains(answer, "the tensors of requests in flight take more than 100B") {
		t.Errorf("the second: got %d %s", status, answer)
	}
	if status, answer := ask(handle, fakeRequestOf("1")); status != 200 {
		t.Errorf("a small one: got %d %s", status, answer)
	}
	close(goOn)
	first.Wait()
	for _, ending := range []string{"1", "-2", "nonsense"} {
		for range 10 {
			func() {
				defer func() { _ = recover() }()
				ask(handle, request(ending))
			}()
		}
		if status, answer := ask(handle, request("1")); status != 200 {
			t.Errorf("after ten that ended by %q: got %d %s", ending, status, answer)
		}
	}
}
