package backend_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/backend/onnx/onnxtest"
	"ganglion/internal/oip"
	"ganglion/internal/onnxfile"
)

// metric reads one series of a node.
func (n *node) metric(series string) float64 {
	n.t.Helper()
	for line := range strings.Lines(n.get("/metrics").body) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return value
		}
	}
	n.t.Fatalf("no metric %s", series)
	return 0
}

// manyConnections lets as many requests be under way as a test has clients.
func manyConnections(t *testing.T) {
	transport := http.DefaultTransport.(*http.Transport)
	before := transport.MaxIdleConnsPerHost
	transport.MaxIdleConnsPerHost = 64
	t.Cleanup(func() { transport.MaxIdleConnsPerHost = before })
}

// dwell gives back its input x, float32 [batch,1], as y, after multiplying zeros for a while: 100 steps are about a millisecond for a batch
// of any size.
func dwell(steps int) *onnxfile.Model {
	const n = 256
	m := &onnxfile.Model{Name: "dwell"}
	m.Input("x", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(1))
	m.Output("y", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(1))
	m.Initializer(onnxfile.NewData("in", make([]float32, n), 1, n))
	m.Initializer(onnxfile.NewData("w", make([]float32, n*n), n, n))
	m.Initializer(onnxfile.NewData("out", make([]float32, n), n, 1))
	m.Node("MatMul", "x in", "h0")
	for i := range steps {
		m.Node("MatMul", fmt.Sprintf("h%d w", i), fmt.Sprintf("h%d", i+1))
	}
	m.Node("MatMul", fmt.Sprintf("h%d out", steps), "zero")
	m.Node("Add", "x zero", "y")
	return m
}

// TestBatchesForm: single rows of many clients share runs, and each client gets its own answer.
func TestBatchesForm(t *testing.T) {
	manyConnections(t)
	dir := t.TempDir()
	onnxtest.WriteAt(t, dwell(1500), filepath.Join(dir, "dwell", "1", "model.onnx"))
	write(t, filepath.Join(dir, "dwell", "config.toml"), "instances = { count = 1 }\n")
	n := startNode(t, dir)
	const clients, each = 16, 12
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range each {
				n.post("/v2/models/dwell/infer", fmt.Sprintf(`{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[%d]}]}`, client*1000+i)).
					want(t, 200, fmt.Sprintf(`"shape":[1,1],"data":[%d]}`, client*1000+i))
			}
		})
	}
	wg.Wait()
	const labels = `{model="dwell",version="1"}`
	count, runs := n.metric("nv_inference_count"+labels), n.metric("nv_inference_exec_count"+labels)
	if count != clients*each || runs >= count {
		t.Errorf("%v rows in %v runs, want %d in fewer", count, runs, clients*each)
	}
	if got := n.metric("nv_inference_request_success" + labels); got != clients*each {
		t.Errorf("%v successes", got)
	}
	for _, name := range []string{"nv_inference_request_duration_us", "nv_inference_queue_duration_us", "nv_inference_compute_infer_duration_us"} {
		if n.metric(name+labels) <= 0 {
			t.Errorf("%s is 0", name)
		}
	}
	if got := n.metric("ganglion_node_batch_rows_sum" + labels); got != clients*each {
		t.Errorf("the runs had %v rows", got)
	}
	if got := n.metric("ganglion_node_queue_duration_seconds_count" + labels); got != clients*each {
		t.Errorf("%v requests have been in the queue", got)
	}
	if n.metric("nv_inference_pending_request_count"+labels) != 0 || n.metric("ganglion_node_queue_bytes"+labels) != 0 {
		t.Error("the queue is not empty")
	}
}

// TestUnequalSentencesShareRuns: language_id as it comes, on one instance, before which requests gather. The scores are
// the same to the last bit as those of each sentence alone.
func TestUnequalSentencesShareRuns(t *testing.T) {
	manyConnections(t)
	dir := t.TempDir()
	copyModel(t, "language_id", dir)
	config := filepath.Join(dir, "language_id", "config.toml")
	own, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, "instances = { count = 1 }\n"+string(own))
	n := startNode(t, dir)
	sentences := []string{
		"Wo ist hier der Bahnhof?", "Where is the railway station from here?", "Où est la gare, s'il vous plaît?",
		"Dov'è la stazione?", "Gdzie jest dworzec kolejowy?", "¿Dónde está la estación?", "Hvor er stasjonen?", "Waar is het station hier?",
	}
	alone := make([]map[string]output, len(sentences))
	for i, s := range sentences {
		alone[i] = n.post("/v2/models/language_id/infer", textRequest(s)).outputs(t)
	}
	const labels, rounds = `{model="language_id",version="1"}`, 100
	count, runs := n.metric("nv_inference_count"+labels), n.metric("nv_inference_exec_count"+labels)
	var wg sync.WaitGroup
	for i, s := range sentences {
		wg.Go(func() {
			for range rounds {
				if got := n.post("/v2/models/language_id/infer", textRequest(s)).outputs(t); !reflect.DeepEqual(got, alone[i]) {
					t.Errorf("%q: got %v, alone %v", s, got, alone[i])
					return
				}
			}
		})
	}
	wg.Wait()
	count, runs = n.metric("nv_inference_count"+labels)-count, n.metric("nv_inference_exec_count"+labels)-runs
	if count != float64(rounds*len(sentences)) || runs >= count {
		t.Errorf("%v rows in %v runs: few sentences have shared one", count, runs)
	}
}

// TestBadRequestFailsAlone: an index that is out of range fails the run it is in, and then only its own request.
func TestBadRequestFailsAlone(t *testing.T) {
	manyConnections(t)
	dir := t.TempDir()
	m := &onnxfile.Model{Name: "lookup"}
	m.Input("i", onnxfile.Int64, onnxtest.Batch())
	m.Output("y", onnxfile.Float, onnxtest.Batch())
	m.Initializer(onnxfile.NewData("table", []float32{10, 11, 12, 13}, 4))
	m.Node("Gather", "table i", "y")
	onnxtest.WriteAt(t, m, filepath.Join(dir, "lookup", "1", "model.onnx"))
	write(t, filepath.Join(dir, "lookup", "config.toml"), "max_batch_size = 8\nmax_queue_delay = \"1s\"\ninstances = { count = 1 }\n")
	n := startNode(t, dir)
	ask := func(i int) answer {
		return n.post("/v2/models/lookup/infer", fmt.Sprintf(`{"inputs":[{"name":"i","shape":[1],"datatype":"INT64","data":[%d]}]}`, i))
	}
	for range 10 {
		var wg sync.WaitGroup
		for i := range 5 { // 4 is out of range
			wg.Go(func() {
				if a := ask(i); i < 4 {
					a.want(t, 200, fmt.Sprintf(`"data":[%d]`, 10+i))
				} else {
					a.want(t, 400, "the model does not take these inputs")
				}
			})
		}
		wg.Wait()
	}
	const labels = `{model="lookup",version="1"}`
	if got := n.metric("nv_inference_request_success" + labels); got != 40 {
		t.Errorf("%v successes, want 40", got)
	}
	if got := n.metric(`nv_inference_request_failure{model="lookup",reason="BACKEND",version="1"}`); got != 10 {
		t.Errorf("%v failures, want 10", got)
	}
}

// slowRequest keeps the model of onnxtest.Slow busy for seconds.
func slowRequest(parameters string) string {
	return `{` + parameters + `"inputs":[{"name":"x","shape":[400,400],"datatype":"FP32","data":[` + strings.Repeat("0,", 400*400-1) + "0" + `]}]}`
}

// TestFullQueueAndTimeouts: while the only instance is busy, a request that cannot wait is refused at once, one that waits
// is answered when its time is over, and so is the one that runs.
func TestFullQueueAndTimeouts(t *testing.T) {
	dir := t.TempDir()
	onnxtest.WriteAt(t, onnxtest.Slow(20_000), filepath.Join(dir, "slow", "1", "model.onnx"))
	write(t, filepath.Join(dir, "slow", "config.toml"), "max_queue_requests = 1\npriority_levels = 2\n[instances]\ncount = 1\nthreads = 1\n")
	n := startNode(t, dir)
	const path, labels = "/v2/models/slow/infer", `{model="slow",version="1"}`
	until := func(series string) {
		for deadline := time.Now().Add(20 * time.Second); n.metric(series+labels) != 1; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not become 1", series)
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		n.post(path, slowRequest(`"parameters":{"timeout":6000000},`)).wantRefusal(t, oip.Expired, "Request timeout expired")
	})
	until("ganglion_node_instances_busy")
	began := time.Now()
	wg.Go(func() {
		n.post(path, slowRequest(`"parameters":{"timeout":3000000,"priority":1},`)).wantRefusal(t, oip.Expired, "Request timeout expired")
		if took := time.Since(began); took < 3*time.Second || took > 20*time.Second { // the run would go on for longer
			t.Errorf("a request that waits is answered after %v, want 3 s", took)
		}
	})
	until("nv_inference_pending_request_count")
	n.post(path, slowRequest("")).wantRefusal(t, oip.Full, "Exceeds maximum queue size")
	wg.Wait()
	for reason, want := range map[string]float64{"queue_full": 1, "expired": 2} {
		if got := n.metric(`ganglion_node_rejections_total{model="slow",reason="` + reason + `",version="1"}`); got != want {
			t.Errorf("%v rejections for %s, want %v", got, reason, want)
		}
	}
	if got := n.metric(`nv_inference_request_failure{model="slow",reason="REJECTED",version="1"}`); got != 3 {
		t.Errorf("%v failures, want 3", got)
	}
}

// TestPlaceInQueue: what the parameters of a request may be.
func TestPlaceInQueue(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	write(t, filepath.Join(dir, "iris", "config.toml"), "priority_levels = 3\n")
	n := startNode(t, dir)
	ask := func(parameters string) answer {
		return n.post("/v2/models/iris/infer", `{"parameters":{`+parameters+`},`+irisRequest[1:])
	}
	for _, fine := range []string{`"timeout":0`, `"timeout":60000000`, `"timeout":18446744073709551615`, `"priority":0`, `"priority":1`, `"priority":3`} {
		ask(fine).want(t, 200, "setosa")
	}
	for parameters, text := range map[string]string{
		`"timeout":-1`:                   `parameter \"timeout\" is -1`,
		`"timeout":"soon"`:               `parameter \"timeout\" is \"soon\"`,
		`"timeout":1.5`:                  `parameter \"timeout\" is 1.5`,
		`"priority":-1`:                  `parameter \"priority\" is -1`,
		`"priority":4`:                   `has the levels 1 (highest) to 3`,
		`"priority":1844674407370955161`: `has the levels 1 (highest) to 3`,
	} {
		ask(parameters).want(t, 400, text)
	}
}

// TestTiming: an answer says where its time went when it is asked to.
func TestTiming(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	n := startNode(t, dir)
	if got := n.post("/v2/models/iris/infer", irisRequest).header.Get("Server-Timing"); got != "" {
		t.Errorf("nobody has asked for %s", got)
	}
	a := n.do("POST", "/v2/models/iris/infer", strings.NewReader(irisRequest), "X-Ganglion-Timing", "1")
	a.want(t, 200, "setosa")
	want := regexp.MustCompile(`^queue;dur=\d+\.\d{3}, input;dur=0\.000, infer;dur=\d+\.\d{3}, output;dur=0\.000, batch;desc="1 requests, 1 rows"$`)
	if got := a.header.Get("Server-Timing"); !want.MatchString(got) {
		t.Errorf("got %s", got)
	}
}

// TestLargerThanABatch: a batch size that the node has found keeps nobody from sending more rows; one that somebody has set does.
func TestLargerThanABatch(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	copyFile(t, filepath.Join(dir, "iris", "1", "model.onnx"), filepath.Join(dir, "small", "1", "model.onnx"))
	write(t, filepath.Join(dir, "small", "config.toml"), "max_batch_size = 10\n")
	n := startNode(t, dir)
	rows := make([]float64, 4*200)
	data, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	request := `{"inputs":[{"name":"measurements","shape":[200,4],"datatype":"FP32","data":` + string(data) + `}]}`
	n.post("/v2/models/iris/infer", request).want(t, 200, `"shape":[200,3]`)
	n.post("/v2/models/small/infer", request).want(t, 400, `request has 200 rows, model \"small\" takes at most 10 at a time (max_batch_size)`)
}

// masked sums x, float32 [batch,length], where mask is 1.
func masked() *onnxfile.Model {
	m := &onnxfile.Model{Name: "masked"}
	m.Input("x", onnxfile.Float, onnxtest.Batch(), onnxfile.Dynamic("length"))
	m.Input("mask", onnxfile.Float, onnxtest.Batch(), onnxfile.Dynamic("length"))
	m.Output("sum", onnxfile.Float, onnxtest.Batch(), onnxfile.Fixed(1))
	m.Output("same", onnxfile.Float, onnxtest.Batch(), onnxfile.Dynamic("length"))
	m.Initializer(onnxfile.NewData("axes", []int64{1}, 1))
	m.Node("Mul", "x mask", "same")
	m.Node("ReduceSum", "same axes", "sum", onnxfile.Int("keepdims", 1))
	return m
}

// TestMask: a mask is made for those who do not send one, padding is not seen by the model, and outputs come back in each
// request's own length.
func TestMask(t *testing.T) {
	manyConnections(t)
	dir := t.TempDir()
	onnxtest.WriteAt(t, masked(), filepath.Join(dir, "masked", "1", "model.onnx"))
	write(t, filepath.Join(dir, "masked", "config.toml"), `
max_queue_delay = "20ms"
[[ragged]]
inputs = { x = { value = 7 } }
outputs = { same = 1 }
mask = "mask"
longest = 8
max_waste = 0.9
`)
	n := startNode(t, dir)
	const path = "/v2/models/masked/infer"
	round := func() {
		var wg sync.WaitGroup
		for length := 1; length <= 8; length++ {
			wg.Go(func() {
				ones := strings.TrimSuffix(strings.Repeat("1,", length), ",")
				x := fmt.Sprintf(`{"name":"x","shape":[1,%d],"datatype":"FP32","data":[%s]}`, length, ones)
				want := fmt.Sprintf(`{"name":"sum","datatype":"FP32","shape":[1,1],"data":[%d]},{"name":"same","datatype":"FP32","shape":[1,%d],"data":[%s]}`, length, length, ones)
				for range 20 {
					n.post(path, `{"inputs":[`+x+`]}`).want(t, 200, want)
					n.post(path, `{"inputs":[`+strings.Replace(x, `"x"`, `"mask"`, 1)+`,`+x+`]}`).want(t, 200, want)
				}
			})
		}
		wg.Wait()
	}
	const labels = `{model="masked",version="1"}`
	asked := 0.0
	until(t, "requests sharing a run", func() bool { // on a busy machine a round may go by with each alone
		round()
		asked += 320
		count, runs := n.metric("nv_inference_count"+labels), n.metric("nv_inference_exec_count"+labels)
		if count != asked {
			t.Fatalf("%v rows counted, %v were asked for", count, asked)
		}
		return runs < count
	})
	n.post(path, `{"inputs":[{"name":"mask","shape":[1,1],"datatype":"FP32","data":[1]}]}`).want(t, 400, "")
}
