package gateway

import (
	"testing"

	"ganglion/internal/testnode"
)

// The status says how each node is reached, in the words that operators know the transports by.
func TestStatusSaysHowNodesAreReached(t *testing.T) {
	plain, own, calls := testnode.Start(t), ownNodes(t, 1)[0], startRPCNode(t)
	e := start(t, "[pools.main]\nnodes = [{ address = \"%s\" }, { address = \"%s\" }, { address = \""+calls.address+"\", protocol = \"grpc\" }]\n"+fastHealth+anyRoute, plain, own)
	e.awaitHops("http/1.1", "hop", "grpc")
}

// The status says what share each variant gets.
func TestStatusSaysTheShares(t *testing.T) {
	e := start(t, twoPools+`
[routes.m]
pool = "main"
[routes.m.canary]
pool = "next"
weight = 12.5
[routes.m.shadow]
pool = "next"
percent = 30
`, testnode.Start(t), testnode.Start(t))
	want := map[string]float64{"stable": 87.5, "canary": 12.5, "shadow": 30}
	got := e.gateway.Status().Routes[0].Variants
	if len(got) != len(want) {
		t.Fatalf("the variants are %+v", got)
	}
	for _, v := range got {
		if v.Percent != want[v.Name] {
			t.Errorf("%s gets %g %%, want %g %%", v.Name, v.Percent, want[v.Name])
		}
	}
}
