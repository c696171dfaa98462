package gateway

import (
	"fmt"
	"strings"
	"testing"

	"ganglion/internal/testnode"
)

// threeHashed has three nodes among which keys decide.
const threeHashed = `
[pools.main]
policy = "consistent_hash"
nodes = [{ address = "%s" }, { address = "%s" }, { address = "%s" }]
[pools.main.health]
interval = "20ms"
[pools.main.hash]
header = "` + "HEADER" + `"
`

// homes asks for each of 40 keys five times and wants the same node each time, but not the same for all keys.
func homes(t *testing.T, ask func(key int) string) map[int]string {
	t.Helper()
	home, nodes := map[int]string{}, map[string]bool{}
	for round := range 5 {
		for key := range 40 {
			node := ask(key)
			if round > 0 && node != home[key] {
				t.Fatalf("key %d was answered by %s and by %s", key, home[key], node)
			}
			home[key], nodes[node] = node, true
		}
	}
	if len(nodes) < 2 {
		t.Errorf("all keys belong to the same node")
	}
	return home
}

func TestRequestsWithTheSameHeaderMeet(t *testing.T) {
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	e := start(t, strings.Replace(threeHashed, "HEADER", "x-user-ID", 1)+anyRoute, a, b, c)
	homes(t, func(key int) string {
		return e.infer(fmt.Sprint("X-User-Id: ", key)).want(t, 200).node()
	})
	// Without the header nobody belongs together: all nodes get some.
	seen := map[string]bool{}
	eventually(t, "requests without the header at all nodes", func() bool {
		seen[e.infer().want(t, 200).node()] = true
		return len(seen) == 3
	})
}

func TestRequestsThatAskTheSameMeet(t *testing.T) {
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	e := start(t, strings.Replace(threeHashed, "HEADER", "", 1)+anyRoute, a, b, c)
	id := 0
	homes(t, func(key int) string {
		id++ // every request has its own
		body := fmt.Sprintf(`{"id":"r%d","inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[%d]}]}`, id, key)
		return e.do("POST", inferPath, body).want(t, 200).node()
	})
}

func TestASequenceStaysOnItsNode(t *testing.T) {
	a, b, c := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	config := strings.Replace(threeHashed, "[pools.main.hash]\nheader = \"HEADER\"\n", "", 1)
	config = strings.Replace(config, "consistent_hash", "round_robin", 1)
	e := start(t, config+anyRoute, a, b, c)
	home := homes(t, func(key int) string {
		return e.infer(fmt.Sprint("X-Sequence-Id: ", key)).want(t, 200).node()
	})
	for key, node := range home { // the request says it itself, as a number or a string; 0 is no sequence
		for _, id := range []string{fmt.Sprint(key), fmt.Sprintf("%q", fmt.Sprint(key))} {
			body := `{"parameters":{"sequence_id":` + id + `},` + inferBody[1:]
			if got := e.do("POST", inferPath, body).want(t, 200).node(); key != 0 && got != node {
				t.Errorf("sequence_id %s met %s, the header's sequence %s", id, got, node)
			}
		}
	}
	var first *testnode.Node
	for _, n := range []*testnode.Node{a, b, c} {
		if n.Name() == home[0] {
			first = n
		}
	}
	// What its node may have worked on is not repeated: it would count twice, or without what came before. Neither is what has
	// to wait for that node.
	for _, fault := range []testnode.Fault{testnode.Status(500), testnode.Status(429), testnode.HalfAnswer} {
		first.Next(1, fault)
		if got := e.infer("X-Sequence-Id: 0"); got.status < 400 {
			t.Errorf("a request that may have been worked on was answered by %s after another node failed", got.node())
		}
	}
	eventually(t, "its node to have it again", func() bool { return e.infer("X-Sequence-Id: 0").node() == home[0] })
	// When its node is not there, the rest of the sequence is better off elsewhere than nowhere.
	first.Stop()
	if got := e.infer("X-Sequence-Id: 0").want(t, 200).node(); got == home[0] {
		t.Errorf("the node that is not there answered")
	}
}
