package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/cmdline"
	"ganglion/internal/conf"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testlog"
)

// asProgram makes the test binary be the program: tests of signals need a process.
const asProgram = "GANGLION_TEST_AS_PROGRAM"

// fasthttp has one goroutine of its own that keeps the Date header, started on first use and never stopped.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestWords(t *testing.T) {
	tests := []struct {
		args string
		out  string // part of what is printed
		err  string // part of the error; "" for success
	}{
		{"version", "backend devel\n", ""},
		{"help", "backend serve [flags]", ""},
		{"serve --help", "--device DEVICE", ""},
		{"serve -h", "--max-body SIZE", ""},
		{"", "", "no command: see `backend help`"},
		{"srve", "", `unknown command "srve"`},
		{"serve models", "", `serve: unexpected argument "models"`},
		{"serve --modls x", "", "serve: flag provided but not defined: -modls: see `backend serve -h`"},
		{"check --modls x", "", "check: flag provided but not defined: -modls: see `backend check -h`"},
		{"inspect --modls x", "", "inspect: flag provided but not defined: -modls: see `backend inspect -h`"},
		{"serve --device gpu", "", `unknown device "gpu": want "auto", "cpu", "cuda:N" or "tensorrt:N"`},
		{"serve --path-prefix serving", "", `invalid value "serving" for flag -path-prefix: want a path that begins with a slash`},
		{"serve --path-prefix /a?b", "", "want a path of letters, digits and slashes"},
		{"serve --max-body much", "", `invalid value "much" for flag -max-body: "much" is not a size`},
		{"serve --max-body 1B", "", `invalid value "1B" for flag -max-body: want 1KiB to 2GiB`},
		{"serve --timeout 5", "", `invalid value "5" for flag -timeout: want a length of time`},
		{"serve --timeout 1ms", "", "want at least 10ms"},
		{"serve --watch 1ms", "", "want at least 100ms"},
		{"serve --control all", "", "want off, on or files"},
		{"serve --tls-cert a.pem", "", "--tls-cert needs the certificate's key: add --tls-key"},
		{"serve --tls-key a.pem", "", "--tls-key needs the key's certificate: add --tls-cert"},
		{"serve --tls-client-ca a.pem", "", "--tls-client-ca needs TLS"},
		{"serve --log-level loud", "", `invalid value "loud" for flag -log-level`},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), strings.Fields(test.args), &stdout, &stderr)
			switch {
			case test.err == "" && err != nil:
				t.Errorf("got %v", err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || !errors.Is(err, cmdline.ErrMisused)):
				t.Errorf("got %v, want a usage error with %q", err, test.err)
			}
			if !strings.Contains(stdout.String(), test.out) {
				t.Errorf("got output %q, want %q in it", stdout.String(), test.out)
			}
		})
	}
}

// TestHelpNamesEveryFlag: a flag that help does not know is a flag that nobody finds.
func TestHelpNamesEveryFlag(t *testing.T) {
	for _, name := range []string{
		"models", "http", "grpc", "device", "id", "max-body", "max-output", "memory", "timeout", "log-level",
		"tls-cert", "tls-key", "tls-client-ca",
	} {
		if !strings.Contains(serveUsage, "--"+name+" ") {
			t.Errorf("the help does not mention --%s", name)
		}
	}
}

// TestServe: from flags to an answer, and from the end of the context to nothing left.
func TestServe(t *testing.T) {
	t.Setenv("ORT_LIBRARY", onnxtest.Library(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log testlog.Log
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"serve", "--models", filepath.Join(onnxtest.Root(t), "models"), "--http", "127.0.0.1:0",
			"--grpc", "127.0.0.1:0", "--device", "cpu", "--id", "one", "--max-body", "1MiB",
		}, io.Discard, &log)
	}()
	url := "http://" + waitField(t, &log, done, "serving", "address")
	waitField(t, &log, done, "the first load pass is over: ready", "versions")

	response, err := http.Post(url+"/v2/models/iris/infer", "application/json",
		strings.NewReader(`{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != 200 || !strings.Contains(string(body), "setosa") {
		t.Errorf("got %d %s (%v)", response.StatusCode, body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	askByGRPC(t, waitField(t, &log, done, "serving", "grpc"))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, want := range []string{`"node":"one"`, `"device":"cpu","device_reason":"asked for"`, `"msg":"stopped"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
}

// askByGRPC wants the same node to answer gRPC, within the limits of the flags.
func askByGRPC(t *testing.T, address string) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := pb.NewGRPCInferenceServiceClient(conn)
	request := &pb.ModelInferRequest{ModelName: "iris", Inputs: []*pb.ModelInferRequest_InferInputTensor{{
		Name: "measurements", Datatype: "FP32", Shape: []int64{1, 4},
		Contents: &pb.InferTensorContents{Fp32Contents: []float32{5.1, 3.5, 1.4, 0.2}},
	}}}
	var header metadata.MD
	reply, err := client.ModelInfer(t.Context(), request, grpc.Header(&header))
	if err != nil || !bytes.Contains(bytes.Join(reply.GetRawOutputContents(), nil), []byte("setosa")) {
		t.Errorf("got %v (%v)", reply, err)
	}
	if got := header.Get("x-node-id"); len(got) != 1 || got[0] != "one" {
		t.Errorf("got node %q", got)
	}
	request.Inputs[0].Shape[0] = 1 << 18
	request.Inputs[0].Contents.Fp32Contents = make([]float32, 4<<18)
	if _, err := client.ModelInfer(t.Context(), request); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("4 MiB with --max-body 1MiB: %v", err)
	}
}

// waitField waits for a log line with the message and returns one of its fields.
func waitField(t *testing.T, log *testlog.Log, done <-chan error, message, field string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		for line := range strings.Lines(log.String()) {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
				value, _ := entry[field].(string) // a number is only waited for
				return value
			}
		}
		select {
		case err := <-done:
			t.Fatalf("ended with %v\n%s", err, log)
		default:
		}
	}
	t.Fatalf("no %q in the log:\n%s", message, log)
	return ""
}

// TestSignals: SIGHUP does nothing, SIGTERM ends the process well.
func TestSignals(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log testlog.Log
	cmd := exec.CommandContext(t.Context(), exe, "serve", "--models", filepath.Join(onnxtest.Root(t), "models"),
		"--http", "127.0.0.1:0", "--grpc", "", "--device", "cpu")
	cmd.Env = append(os.Environ(), asProgram+"=1", "ORT_LIBRARY="+onnxtest.Library(t))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	waitField(t, &log, done, "serving", "address")
	for _, s := range []struct {
		signal os.Signal
		said   string
	}{
		{syscall.SIGHUP, "SIGHUP is ignored: flags are read at start, and there is no file to reopen"},
		{syscall.SIGTERM, ""},
	} {
		if err := cmd.Process.Signal(s.signal); err != nil {
			t.Fatal(err)
		}
		if s.said != "" {
			waitField(t, &log, done, s.said, "")
		}
	}
	if err := <-done; err != nil || !strings.Contains(log.String(), `"msg":"stopped"`) {
		t.Errorf("ended with %v:\n%s", err, &log)
	}
}

// TestCannotStart: each is one line that says what to do.
func TestCannotStart(t *testing.T) {
	library := onnxtest.Library(t)
	models := filepath.Join(onnxtest.Root(t), "models")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name, library string
		args          []string
		want          string
	}{
		{"no library", "", nil, "make library"},
		{"wrong library", filepath.Join(t.TempDir(), "libonnxruntime.so"), nil, "ORT_LIBRARY names no library"},
		{"port in use", library, []string{"--http", taken.Addr().String()}, "address already in use"},
		{"gRPC port in use", library, []string{"--grpc", taken.Addr().String()}, `another process holds the port; stop it or choose another address; --grpc "" turns gRPC off`},
		{"no models", library, []string{"--models", filepath.Join(t.TempDir(), "none")}, "cannot open model repository"},
		{"no such device", library, []string{"--device", "cuda:97"}, `device "cuda:97" is not available: `},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("ORT_LIBRARY", test.library)
			args := append([]string{"serve", "--models", models, "--http", "127.0.0.1:0", "--grpc", ""}, test.args...)
			err := run(t.Context(), args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, test.want)
			}
		})
	}
}

func TestMeminfoTotal(t *testing.T) {
	for meminfo, want := range map[string]conf.Size{
		"MemTotal:       16384 kB\nMemFree: 1 kB\n": 16 * conf.MiB,
		"MemFree: 1 kB\n":      0,
		"MemTotal: lots of kB": 0,
		"":                     0,
	} {
		if got := meminfoTotal(meminfo); got != want {
			t.Errorf("%q: got %s, want %s", meminfo, got, want)
		}
	}
}
