package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ganglion/internal/stack"
)

// TestRefusals sends what is wrong and wants to hear what was wrong, where, and what would do; always as JSON.
func TestRefusals(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: strings.Replace(uncached, "[log]", "max_body = \"1MiB\"\n[log]", 1)})
	client := newClient(t)
	iris := "/v2/models/iris/infer"
	input := func(fields string) string { return `{"inputs":[{` + fields + `}]}` }
	cases := []struct {
		name, method, path, body string
		status                   int
		says                     []string
	}{
		{"unknown model", "POST", "/v2/models/tulip/infer", flower, 404, []string{"tulip", "not found"}},
		{"unknown version", "POST", "/v2/models/iris/versions/7/infer", flower, 404, []string{"iris", "7"}},
		{"unknown path", "GET", "/v3/models", "", 404, nil},
		{"path that climbs", "GET", "/v2/models/../../etc/passwd", "", 404, nil},
		{"wrong verb", "DELETE", iris, "", 405, nil},
		{"wrong verb for metadata", "POST", "/v2/models/iris", "{}", 405, nil},
		{"no JSON", "POST", iris, "flower", 400, nil},
		{"cut off", "POST", iris, flower[:len(flower)-3], 400, nil},
		{"no inputs", "POST", iris, `{}`, 400, []string{"inputs"}},
		{"no datatype", "POST", iris, input(`"name":"measurements","shape":[1,4],"data":[1,2,3,4]`), 400, []string{"measurements", "datatype"}},
		{"wrong datatype", "POST", iris, input(`"name":"measurements","shape":[1,4],"datatype":"INT32","data":[1,2,3,4]`), 400, []string{"measurements", "INT32", "FP32"}},
		{"unknown datatype", "POST", iris, input(`"name":"measurements","shape":[1,4],"datatype":"FP31","data":[1,2,3,4]`), 400, []string{"measurements", "FP31"}},
		{"too few numbers", "POST", iris, input(`"name":"measurements","shape":[1,4],"datatype":"FP32","data":[1,2,3]`), 400, []string{"measurements", "4", "3"}},
		{"wrong shape", "POST", iris, input(`"name":"measurements","shape":[1,5],"datatype":"FP32","data":[1,2,3,4,5]`), 400, []string{"measurements", "[-1,4]"}},
		{"huge shape", "POST", iris, input(`"name":"measurements","shape":[4611686018427387904,4],"datatype":"FP32","data":[1]`), 400, []string{"measurements"}},
		{"negative shape", "POST", iris, input(`"name":"measurements","shape":[-1,4],"datatype":"FP32","data":[1,2,3,4]`), 400, []string{"measurements"}},
		{"wrong name", "POST", iris, input(`"name":"petals","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]`), 400, []string{"petals"}},
		{"a word among numbers", "POST", iris, input(`"name":"measurements","shape":[1,4],"datatype":"FP32","data":[1,2,"3",4]`), 400, []string{"measurements"}},
		{"out of range", "POST", "/v2/models/language_id/infer", input(`"name":"bytes","shape":[1,2],"datatype":"UINT8","data":[65,300]`), 400, []string{"bytes", "300", "255"}},
		{"unknown output", "POST", iris, strings.TrimSuffix(flower, "}") + `,"outputs":[{"name":"colour"}]}`, 400, []string{"colour"}},
		{"body over the limit", "POST", iris, strings.Repeat(" ", 1<<20) + flower, 413, []string{"1MiB"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := ask(t, client, c.method, s.GatewayURL()+c.path, c.body)
			a, err := parse(r.body)
			if r.status != c.status || err != nil || a.Error == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
				t.Fatalf("%d %s %q, want %d and an error as JSON", r.status, r.header.Get("Content-Type"), r.body, c.status)
			}
			for _, word := range c.says {
				if !strings.Contains(a.Error, word) {
					t.Errorf("%q does not mention %q", a.Error, word)
				}
			}
			if r.status == http.StatusMethodNotAllowed && r.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	if r := ask(t, client, "POST", s.GatewayURL()+iris, flower); r.status != 200 {
		t.Errorf("after all that: %d %s", r.status, r.body)
	}
}

// repository is a folder of models, each of one version with the given content.
func repository(t *testing.T, models map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range models {
		if err := os.MkdirAll(filepath.Join(dir, name, "1"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "1", "model.onnx"), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestBrokenModel puts a truncated model beside a good one: the node is up, the good one serves, and everybody who asks is
// told why the other does not.
func TestBrokenModel(t *testing.T) {
	good, err := os.ReadFile("../models/iris/1/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	models := repository(t, map[string][]byte{"iris": good, "torn": good[:len(good)/2]})
	s := start(t, stack.Config{GatewayConfig: uncached, Models: models})
	client := newClient(t)
	if r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", flower); r.status != 200 {
		t.Errorf("the good model: %d %s", r.status, r.body)
	}
	if r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/torn/infer", flower); r.status != 503 || !strings.Contains(r.body, "torn") {
		t.Errorf("the torn model: %d %s, want 503 naming it", r.status, r.body)
	}
	index := ask(t, client, "POST", "http://"+s.Nodes()[0].Address()+"/v2/repository/index", "")
	if !strings.Contains(index.body, `"UNAVAILABLE"`) || !strings.Contains(index.body, `"reason"`) {
		t.Errorf("the node's index does not say what is wrong: %s", index.body)
	}
}

// TestModelBrokenOnOneNode has a model that only one of two nodes can load. Its clients notice nothing, and the node that
// cannot serve it goes on serving the others: no circuit opens.
func TestModelBrokenOnOneNode(t *testing.T) {
	good, err := os.ReadFile("../models/iris/1/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	other := start(t, stack.Config{Nodes: 1, Models: repository(t, map[string][]byte{"iris": good, "torn": good})})
	whole := other.Nodes()[0].Address()
	models := repository(t, map[string][]byte{"iris": good, "torn": good[:len(good)/2]})
	s := start(t, stack.Config{Nodes: 1, Models: models, GatewayConfig: `[server]
http = "${STACK_HTTP}"
grpc = "${STACK_GRPC}"
admin = "${STACK_ADMIN}"
[pools.main]
policy = "round_robin"
nodes = [{ address = "${STACK_NODE_1}" }, { address = "` + whole + `" }]
retry = { budget_floor = 1000, budget_burst = 1000 }
[routes."*"]
pool = "main"
`})
	client := newClient(t)
	for range 20 { // round robin: half of them meet the broken file first
		if r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/torn/infer", flower); r.status != 200 || r.header.Get("X-Ganglion-Refusal") != "" {
			t.Fatalf("the model that one node has: %d %v %s", r.status, r.header, r.body)
		}
	}
	ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", flower) // from its first answer on it has turns of its own
	asked := attempts(t, client, s)
	for range 20 {
		if r := ask(t, client, "POST", s.GatewayURL()+"/v2/models/iris/infer", flower); r.status != 200 {
			t.Fatalf("the model that both nodes have: %d %s", r.status, r.body)
		}
	}
	for node, made := range attempts(t, client, s) {
		if made-asked[node] != 10 {
			t.Errorf("%s got %d of 20 requests for a model that both nodes have, want 10", node, made-asked[node])
		}
	}
}

// attempts are those that each node got, by its address. Every circuit must be closed.
func attempts(t *testing.T, client *http.Client, s *stack.Stack) map[string]uint64 {
	t.Helper()
	var status struct {
		Pools []struct {
			Nodes []struct {
				Address, Circuit string
				Attempts         uint64
			}
		}
	}
	r := ask(t, client, "GET", s.AdminURL()+"/status", "")
	if err := json.Unmarshal([]byte(r.body), &status); err != nil || len(status.Pools) != 1 || len(status.Pools[0].Nodes) != 2 {
		t.Fatalf("GET /status: %v in %d %s, want one pool of two nodes", err, r.status, r.body)
	}
	made := map[string]uint64{}
	for _, n := range status.Pools[0].Nodes {
		if made[n.Address] = n.Attempts; n.Circuit != "closed" {
			t.Errorf("the circuit of %s is %s", n.Address, n.Circuit)
		}
	}
	return made
}

// TestPortInUse wants one clear line and a failing exit.
func TestPortInUse(t *testing.T) {
	s := start(t, stack.Config{GatewayConfig: uncached})
	cmd := exec.CommandContext(t.Context(), programs.backend, "serve", "--models", "../models", "--http", s.Nodes()[0].Address())
	cmd.Env = append(os.Environ(), "ORT_LIBRARY="+library(t))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use") || !strings.Contains(string(out), s.Nodes()[0].Address()) {
		t.Errorf("a second node on the same port: %v\n%s", err, out)
	}
}

// TestShippedConfiguration holds `gateway validate` to its exit codes.
func TestShippedConfiguration(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), programs.gateway, "validate", "--config", "../gateway.toml").CombinedOutput(); err != nil {
		t.Errorf("the shipped file is refused: %v\n%s", err, out)
	}
	bad := filepath.Join(t.TempDir(), "gateway.toml")
	if err := os.WriteFile(bad, []byte("[pools.main]\npolcy = \"weighted\"\nnodes = [{ address = \"127.0.0.1:9000\" }]\n[routes.iris]\npool = \"mian\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), programs.gateway, "validate", "--config", bad).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `gateway.toml:2: pools.main.polcy`) || !strings.Contains(string(out), `did you mean "policy"`) ||
		!strings.Contains(string(out), `gateway.toml:5: routes.iris.pool`) || !strings.Contains(string(out), `did you mean "main"`) {
		t.Errorf("two mistakes in one file: %v\n%s", err, out)
	}
}
