package backend_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/backend"
	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/conf"
	"ganglion/internal/onnxfile"
)

func halfIdentity() *onnxfile.Model { return onnxtest.Identity(onnxfile.Float16, onnxtest.Batch()) }

// TestHugeOutput: a model whose output is as large as its input says is not made to fill the machine.
func TestHugeOutput(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Fill(2), filepath.Join(dir, "fill", "1", "model.onnx"))
	n := startNode(t, dir, func(c *backend.Config) { c.MaxOutput = 1 * conf.MiB })
	ask := func(rows, columns int64) answer {
		return n.post("/v2/models/fill/infer", fmt.Sprintf(`{"inputs":[{"name":"size","shape":[2],"datatype":"INT64","data":[%d,%d]}]}`, rows, columns))
	}
	ask(2, 2).want(t, 200, `"shape":[2,2],"data":[0,0,0,0]`)
	ask(1000, 1000).want(t, 400, "over the limit of 1048576 bytes")
	ask(1_000_000_000, 1).want(t, 400, "more memory than the node has left for runs")
	ask(1<<40, 1<<40).want(t, 400, "")
	ask(-1, 1).want(t, 400, "")
	ask(2, 2).want(t, 200, "")
}

// TestTimeout: an inference that takes too long is stopped, and the CPU it had serves others.
func TestTimeout(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Slow(3000), filepath.Join(dir, "slow", "1", "model.onnx"))
	write(t, filepath.Join(dir, "slow", "config.toml"), "[instances]\ncount = 1\nthreads = 1\n") // seconds, on any machine
	copyModel(t, "iris", dir)
	n := startNode(t, dir, func(c *backend.Config) { c.Timeout = time.Second })
	zeros := strings.Repeat("0,", 400*400-1) + "0"
	body := `{"inputs":[{"name":"x","shape":[400,400],"datatype":"FP32","data":[` + zeros + `]}]}`
	n.post("/v2/models/slow/infer", body).want(t, 504, "the inference was stopped: it took longer than 1s")
	n.waitAnswer("/v2/models/iris/infer", irisRequest, 200)
}

// waitAnswer posts until the status is as wanted: on a busy machine even a short run may meet a short timeout.
func (n *node) waitAnswer(path, body string, status int) {
	n.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		a := n.post(path, body)
		if a.status == status {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("still %d %s", a.status, a.body)
		}
	}
}

// TestEveryoneTheirOwn: many clients at once, on kept connections, each get the answer to their own question.
func TestEveryoneTheirOwn(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Sum(), filepath.Join(dir, "sum", "1", "model.onnx"))
	onnxtest.WriteAt(t, onnxtest.Identity(onnxfile.String, onnxtest.Batch()), filepath.Join(dir, "echo", "1", "model.onnx"))
	n := startNode(t, dir)
	var wg sync.WaitGroup
	for client := range 16 {
		wg.Go(func() {
			for range 50 {
				a, b := rand.IntN(1000), rand.IntN(1000)
				n.post("/v2/models/sum/infer", fmt.Sprintf(
					`{"id":"%d","inputs":[{"name":"b","shape":[1,1],"datatype":"FP32","data":[%d]},{"name":"a","shape":[1,1],"datatype":"FP32","data":[%d]}]}`, client, b, a)).
					want(t, 200, fmt.Sprintf(`{"id":"%d","model_name":"sum","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[%d]}]}`, client, a+b))
				word := strconv.Itoa(a) + strings.Repeat("x", b)
				n.post("/v2/models/echo/infer", fmt.Sprintf(`{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":[%q]}]}`, word)).
					want(t, 200, fmt.Sprintf(`"data":[%q]`, word))
			}
		})
	}
	wg.Wait()
	n.get("/metrics").want(t, 200, `ganglion_node_requests_total{model="sum",status="200",version="1"} 800`)
	n.get("/metrics").want(t, 200, "ganglion_node_requests_in_flight 0")
}

// TestMemoryStays: many requests, good and bad, leave the process as large as a few did. (backend/onnx has the same for
// single runs, where small leaks show.)
func TestMemoryStays(t *testing.T) {
	if residentMemory(t) == 0 {
		t.Skip("this system does not tell how much memory a process has")
	}
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Fill(2), filepath.Join(dir, "fill", "1", "model.onnx"))
	copyModel(t, "language_id", dir)
	n := startNode(t, dir)
	round := func(times int) {
		for i := range times {
			n.post("/v2/models/language_id/infer", textRequest("one", strings.Repeat("two ", i%200), "three")).want(t, 200, "")
			n.post("/v2/models/fill/infer", `{"inputs":[{"name":"size","shape":[2],"datatype":"INT64","data":[300,300]}]}`).want(t, 200, "")
			n.post("/v2/models/fill/infer", `{"inputs":[{"name":"size","shape":[2],"datatype":"INT64","data":[-1,100]}]}`).want(t, 400, "")
			n.post("/v2/models/language_id/infer", `{"inputs":[{"name":"bytes","shape":[1,0],"datatype":"UINT8","data":[]}]}`)
		}
	}
	round(100)
	// Each round has an output of 360 kB and an answer of half that: were one of them kept, it would be 50 MB or more.
	staysBelow(t, 30<<20, "1200 requests", func() { round(300) })
}
