package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ganglion/internal/oip"
)

var pair = oip.ModelMetadata{
	Name: "pair", Versions: []string{"1"},
	Inputs:  []oip.TensorMetadata{{Name: "x", Datatype: oip.FP32, Shape: []int64{-1, 4}}, {Name: "y", Datatype: oip.Bytes, Shape: []int64{-1, -1}}},
	Outputs: []oip.TensorMetadata{{Name: "z", Datatype: oip.FP32, Shape: []int64{-1}}},
}

// server answers as a node with the model "pair" and as a gateway before it, and fails the test at a bad request.
func server(t *testing.T, fail func(n int64) bool) (url string) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/base/v2/models/pair":
			_, _ = w.Write(oip.AppendModelMetadata(nil, &pair))
		case "/base/v2/models/pair/stats":
			count := uint64(n.Load())
			_, _ = w.Write(oip.AppendStatistics(nil, []oip.ModelStatistics{{
				Name: "pair", Version: "1", InferenceCount: 2 * count, ExecutionCount: count,
				Inference: oip.InferenceStatistics{Success: oip.StatisticDuration{Count: count, NS: 5000 * count}, Queue: oip.StatisticDuration{Count: count, NS: 3000 * count}},
			}}))
		case "/base/v2/models/pair/infer":
			body, _ := io.ReadAll(r.Body)
			length := oip.NoHeaderLength
			if text := r.Header.Get(oip.HeaderLengthName); text != "" {
				length, _ = strconv.Atoi(text)
			}
			var q oip.InferRequest
			err := q.Decode(body, length, oip.DefaultLimits())
			if err == nil {
				err = oip.CheckRequest("pair", pair.Inputs, pair.Outputs, &q)
			}
			if err != nil {
				t.Errorf("a bad question: %v", err)
			}
			if fail(n.Add(1)) {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(`{"error":"no node"}`))
				return
			}
			w.Header().Set("X-Cache", "hit")
			if r.Header.Get("X-Ganglion-Timing") == "1" {
				w.Header().Set("Server-Timing", `queue;dur=0.5, infer;dur=1.5, batch;desc="1 requests", upstream;dur=3, edge;dur=4`)
			}
			_, _ = w.Write([]byte(`{"model_name":"pair","outputs":[]}`))
		default:
			t.Errorf("asked for %s", r.URL.Path)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/base"
}

// config is a run of two seconds: a machine that stands still for one of them leaves time for questions.
func config(url string) Config {
	return Config{
		Target: url, Model: "pair", Clients: 2, Duration: 2 * time.Second, Timeout: time.Minute, Questions: 5, Batch: 2,
		Shapes: map[string][]int64{"y": {3}},
	}
}

func TestHTTPQuestionsAreMadeFromTheMetadata(t *testing.T) {
	t.Parallel()
	for _, binary := range []bool{false, true} {
		t.Run(fmt.Sprint("binary ", binary), func(t *testing.T) {
			t.Parallel()
			cfg := config(server(t, func(int64) bool { return false }))
			cfg.Binary = binary
			r, err := Run(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if r.Answers == 0 || r.Failed != 0 || r.Cached != 1 {
				t.Errorf("%d answers, %d failed %v, cached %g", r.Answers, r.Failed, r.Errors, r.Cached)
			}
			if r.Path == nil || r.Path.Gateway != time.Millisecond || r.Path.Hop != time.Millisecond || r.Path.Node != 2*time.Millisecond {
				t.Errorf("path %+v, want 1 ms, 1 ms and 2 ms", r.Path)
			}
			if r.Server == nil || r.Server.Total != 5*time.Microsecond || r.Server.Queue != 3*time.Microsecond || r.Server.Batch != 2 {
				t.Errorf("server %+v", r.Server)
			}
		})
	}
}

func TestHTTPFailuresSayWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	r, err := Run(context.Background(), config(server(t, func(n int64) bool { return n%2 == 0 })))
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed == 0 || r.Errors["503: no node"] != r.Failed {
		t.Errorf("%d failed: %v", r.Failed, r.Errors)
	}
}

func TestHooksHearOfEveryQuestion(t *testing.T) {
	t.Parallel()
	cfg := config(server(t, func(n int64) bool { return n%3 == 0 }))
	cfg.Warmup = 50 * time.Millisecond
	cfg.Check = func(question int, body []byte) error {
		if question < 0 || question >= cfg.Questions || string(body) != `{"model_name":"pair","outputs":[]}` {
			t.Errorf("question %d got %q", question, body)
		}
		if question == 1 {
			return errors.New("a wrong answer")
		}
		return nil
	}
	var mu sync.Mutex
	var answered, failed, wrong uint64
	cfg.Observe = func(s Seen) {
		mu.Lock()
		defer mu.Unlock()
		if s.Took <= 0 || time.Since(s.Due) > time.Minute {
			t.Errorf("due at %v, took %v", s.Due, s.Took)
		}
		status, ok := errors.AsType[*StatusError](s.Err)
		switch {
		case s.Err == nil:
			answered++
		case ok && status.Status == http.StatusServiceUnavailable && status.Message == "no node":
			failed++
		default:
			wrong++
		}
	}
	r, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if answered != r.Answers || failed+wrong != r.Failed || failed != r.Errors["503: no node"] || wrong != r.Errors["a wrong answer"] || wrong == 0 {
		t.Errorf("heard of %d answers, %d failures and %d wrong ones; the result has %d and %v", answered, failed, wrong, r.Answers, r.Errors)
	}
}

func TestWhatCannotBeAsked(t *testing.T) {
	url := server(t, func(int64) bool { return false })
	for want, change := range map[string]func(c *Config){
		`input "y" has the shape [-1 -1]: say how large`:                  func(c *Config) { c.Shapes = nil },
		`shape [2 5] for input "x", which has the shape [-1 4]`:           func(c *Config) { c.Shapes["x"] = []int64{5} },
		`a shape for input "w", but model "pair" has the inputs "x", "y"`: func(c *Config) { c.Shapes["w"] = []int64{5} },
		`is too large to be sent`:                                         func(c *Config) { c.Shapes["y"] = []int64{1 << 40} },
		`scheme "ftp" is none of`:                                         func(c *Config) { c.Target = "ftp://x:1" },
		`want http://HOST:PORT`:                                           func(c *Config) { c.Target = "localhost" },
		`0 clients: want 1 to 10000`:                                      func(c *Config) { c.Clients = 0 },
		`answers are checked over HTTP only`:                              func(c *Config) { c.Target, c.Check = "grpc://x:1", func(int, []byte) error { return nil } },
		`cannot read the model's metadata`:                                func(c *Config) { c.Target = "http://127.0.0.1:1" },
	} {
		cfg := config(url)
		change(&cfg)
		if _, err := Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}

func TestEndOfContextEndsTheRun(t *testing.T) {
	cfg := config(server(t, func(int64) bool { return false }))
	cfg.Duration = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Progress = func(Progress) { cancel() }
	if _, err := Run(ctx, cfg); err != context.Canceled { //nolint:errorlint // exactly that one is promised
		t.Errorf("got %v", err)
	}
}

func FuzzParseTiming(f *testing.F) {
	f.Add(`queue;dur=0.5, infer;dur=1e3, batch;desc="1 requests", edge;dur=4`)
	f.Add(`edge;dur=NaN,edge;dur=-1,edge;dur=1e300`)
	f.Fuzz(func(t *testing.T, header string) {
		if tr := parseTiming(header); tr != nil && (tr.edge < 0 || tr.upstream < 0) {
			t.Errorf("%q gives %+v", header, tr)
		}
	})
}
