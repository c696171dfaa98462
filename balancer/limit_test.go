package balancer

import (
	"strings"
	"testing"

	"ganglion/internal/conf"
)

func TestLimitsThatMakeNoSenseAreNamed(t *testing.T) {
	const bad = `[main]
max_inflight = -1
nodes = [{ address = "10.0.0.1:9000", max_inflight = 1000001 }]
[main.queue]
max = 100001
timeout = "1ms"
[main.admission]
mode = "enforced"
`
	_, err := conf.Decode("gateway.toml", []byte(bad), new(file))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`gateway.toml:2: main.max_inflight: -1 is out of range: accepted are 0 to 1000000`,
		`gateway.toml:3: main.nodes[0].max_inflight: 1000001 is out of range: accepted are 0 to 1000000`,
		`gateway.toml:5: main.queue.max: 100001 is out of range: accepted are 0 to 100000`,
		`gateway.toml:6: main.queue.timeout: "1ms" is out of range: accepted are "10ms" to "1h"`,
		`gateway.toml:8: main.admission.mode: "enforced" is not known; did you mean "enforce"?; accepted are off, observe, enforce`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}
