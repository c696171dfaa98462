package backend_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// statistics is what Triton's clients read of statistics: all of it has to be there, versions as texts.
type statistics struct {
	ModelStats []struct {
		Name           string
		Version        string
		LastInference  *int64                                 `json:"last_inference"`
		InferenceCount *int64                                 `json:"inference_count"`
		ExecutionCount *int64                                 `json:"execution_count"`
		InferenceStats map[string]struct{ Count, Ns *uint64 } `json:"inference_stats"`
		BatchStats     []struct {
			BatchSize    int64                     `json:"batch_size"`
			ComputeInfer struct{ Count, Ns int64 } `json:"compute_infer"`
		} `json:"batch_stats"`
	} `json:"model_stats"`
}

func (n *node) statistics(path string) (s statistics) {
	n.t.Helper()
	a := n.get(path)
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.status != 200 {
		n.t.Fatalf("%s: %d %s: %v", path, a.status, a.body, err)
	}
	return s
}

// TestStatistics: they count what was done, agree with the metrics, and go on when a version is loaded again.
func TestStatistics(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	copyModel(t, "language_id", dir)
	write(t, filepath.Join(dir, "iris", "config.toml"), "[aliases]\nprod = \"1\"\n")
	n := startNode(t, dir)
	before := time.Now()
	const asked, failed = 7, 3
	timed := map[string]bool{"success": true, "fail": true, "compute_infer": true} // the others may take no time at all
	for range asked {
		n.post("/v2/models/iris/infer", strings.ReplaceAll(strings.Replace(irisRequest, "[1,4]", "[2,4]", 1), "5.1,3.5,1.4,0.2", "5.1,3.5,1.4,0.2,5.1,3.5,1.4,0.2")).want(t, 200, "setosa")
	}
	for range failed {
		n.post("/v2/models/iris/infer", "{").want(t, 400, "")
	}
	for _, path := range []string{"/v2/models/iris/stats", "/v2/models/iris/versions/1/stats", "/v2/models/iris/versions/prod/stats"} {
		s := n.statistics(path)
		if len(s.ModelStats) != 1 || s.ModelStats[0].Name != "iris" || s.ModelStats[0].Version != "1" {
			t.Fatalf("%s: got %+v", path, s)
		}
		m := s.ModelStats[0]
		if *m.InferenceCount != 2*asked || *m.ExecutionCount != asked || *m.LastInference < before.UnixMilli() {
			t.Errorf("%s: %d rows in %d runs, the last at %d", path, *m.InferenceCount, *m.ExecutionCount, *m.LastInference)
		}
		for stage, want := range map[string]uint64{
			"success": asked, "fail": failed, "queue": asked, "compute_input": asked, "compute_infer": asked, "compute_output": asked,
			"cache_hit": 0, "cache_miss": 0,
		} {
			got := m.InferenceStats[stage]
			if got.Count == nil || got.Ns == nil || *got.Count != want || timed[stage] && *got.Ns == 0 {
				t.Errorf("%s: %s is %+v, want %d", path, stage, got, want)
			}
		}
		if len(m.BatchStats) != 1 || m.BatchStats[0].BatchSize != 2 || m.BatchStats[0].ComputeInfer.Count != asked || m.BatchStats[0].ComputeInfer.Ns <= 0 {
			t.Errorf("%s: batches are %+v", path, m.BatchStats)
		}
		const labels = `{model="iris",version="1"}`
		if us := n.metric("nv_inference_compute_infer_duration_us" + labels); us != float64(*m.InferenceStats["compute_infer"].Ns/1000) {
			t.Errorf("%s: compute_infer is %d ns, the metric %v us", path, *m.InferenceStats["compute_infer"].Ns, us)
		}
		if n.metric("nv_inference_request_success"+labels) != asked || n.metric("nv_inference_count"+labels) != 2*asked {
			t.Errorf("%s: the metrics count otherwise", path)
		}
	}
	if all := n.statistics("/v2/models/stats"); len(all.ModelStats) != 2 || all.ModelStats[0].Name != "iris" || all.ModelStats[1].Name != "language_id" {
		t.Errorf("all: got %+v", all)
	}
	n.get("/v2/models/rose/stats").want(t, 400, "requested model 'rose' is not available")
	n.get("/v2/models/iris/versions/9/stats").want(t, 400, "requested model version is not available for model 'iris'")

	n.post("/v2/repository/models/iris/load", `{"parameters":{"config":"{\"name\":\"iris\",\"max_batch_size\":8}"}}`).want(t, 200, "")
	n.post("/v2/models/iris/infer", irisRequest).want(t, 200, "")
	if m := n.statistics("/v2/models/iris/stats").ModelStats[0]; *m.InferenceCount != 2*asked+1 {
		t.Errorf("after a reload %d rows are counted, want %d", *m.InferenceCount, 2*asked+1)
	}
}
