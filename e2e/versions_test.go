package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"ganglion/internal/stack"
)

// TestVersionsUnderLoad replaces the version that two nodes serve from one folder, while clients ask through the gateway: a
// good one, a broken one, and a model file in its place. Nobody notices but by the version in the answer.
func TestVersionsUnderLoad(t *testing.T) {
	models := t.TempDir()
	if err := os.CopyFS(filepath.Join(models, "iris"), os.DirFS("../models/iris")); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(models, "iris", "1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	// put publishes a version the careful way, in one step.
	put := func(version string, content []byte) {
		t.Helper()
		folder := filepath.Join(models, "iris", version)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, ".new"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, ".new"), filepath.Join(folder, "model.onnx")); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, stack.Config{GatewayConfig: uncached, Models: models, NodeArgs: []string{"--watch", "100ms"}})
	client := newClient(t)
	// onAll waits until every node answers a path with a status.
	onAll := func(what, path string, status int) {
		t.Helper()
		for _, node := range s.Nodes() {
			until(t, what+" on "+node.Name(), func() bool {
				r, err := send(client, http.MethodGet, "http://"+node.Address()+path, "")
				return err == nil && r.status == status
			})
		}
	}
	l := startLoad(t, s, 8)
	l.more(t, 100)
	for _, version := range []string{"2", "3"} {
		put(version, content)
		onAll("version "+version+" is ready", "/v2/models/iris/versions/"+version+"/ready", http.StatusOK)
		l.more(t, 100)
	}
	onAll("version 1 is gone", "/v2/models/iris/versions/1/ready", http.StatusNotFound)
	put("4", content[:len(content)/2])
	onAll("version 4 is refused", "/v2/models/iris/versions/4/ready", http.StatusServiceUnavailable)
	l.more(t, 100)
	put("4", content)
	onAll("version 4 is ready", "/v2/models/iris/versions/4/ready", http.StatusOK)
	l.more(t, 100)
	l.check(t)
}
