package backend_test

import (
	"testing"

	"github.com/valyala/fasthttp"

	"ganglion/backend"
	"ganglion/backend/onnx"
	"ganglion/backend/onnx/onnxtest"
)

// BenchmarkHandleIris is a JSON inference without the connection: what the node adds to the run itself.
func BenchmarkHandleIris(b *testing.B) {
	engine, err := onnx.New(onnx.Config{Library: onnxtest.Library(b), Device: "cpu", Memory: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	handle, stop := backend.HandlerForTest(b, engine, demoModels(b))
	b.Cleanup(func() {
		stop()
		if err := engine.Close(); err != nil {
			b.Error(err)
		}
	})
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI("/v2/models/iris/infer")
	ctx.Request.SetBodyString(irisRequest)
	b.ReportAllocs()
	for b.Loop() {
		handle(&ctx)
	}
	if ctx.Response.StatusCode() != 200 {
		b.Fatalf("%d %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
}
