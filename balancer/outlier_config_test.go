package balancer

import (
	"strings"
	"testing"

	"ganglion/internal/conf"
)

func TestOutliersOutOfRangeAreNamed(t *testing.T) {
	const bad = `[main]
nodes = [{ address = "10.0.0.1:9000" }]
[main.breaker]
max_open_time = "2h"
[main.outlier]
latency_factor = 1.1
failure_percent = 101.0
min_requests = 0
window = "1ms"
ejection_time = "0s"
max_ejection_time = "2h"
max_ejected_percent = -1.0
`
	_, err := conf.Decode("gateway.toml", []byte(bad), new(file))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range []string{
		"breaker.max_open_time", "outlier.latency_factor: 1.1", "outlier.failure_percent", "outlier.min_requests: 0", "outlier.window",
		"outlier.ejection_time", "outlier.max_ejection_time", "outlier.max_ejected_percent",
	} {
		if !strings.Contains(err.Error(), "main."+key) {
			t.Errorf("%s is not named in:\n%v", key, err)
		}
	}
}
