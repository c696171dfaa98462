//go:build !race

package backend_test

import (
	"testing"

	"ganglion/internal/hop"
)

// The race detector allocates by itself, so this test is built without it.

// TestHopAllocations: a small inference by the hop, with both ends and the scheduler, allocates nothing.
func TestHopAllocations(t *testing.T) {
	dir := t.TempDir()
	copyModel(t, "iris", dir)
	n := startNodeOn(t, &fakeEngine{}, dir)
	n.waitReady()
	conn := n.dialHop()
	const json = `{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}`
	for name, x := range map[string]*hop.Exchange{
		"JSON":   hopRequest(hop.MethodPost, "/v2/models/iris/infer", fakeRequestOf("1.5")),
		"binary": hopRequest(hop.MethodPost, "/v2/models/iris/versions/1/infer", json+"\x00\x00\x80\x3f\x00\x00\x00\x40"),
	} {
		if name == "binary" {
			x.Request.InferenceHeaderLength = len(json)
		}
		ask := func() {
			if err := conn.Do(x); err != nil || x.Response.Status != 200 {
				t.Fatalf("%v: %d %s", err, x.Response.Status, x.Response.Body)
			}
		}
		for range 1000 { // buffers grow, pools fill
			ask()
		}
		// A garbage collection in between empties the pools.
		if got := testing.AllocsPerRun(1000, ask); got >= 1 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
