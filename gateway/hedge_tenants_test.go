package gateway

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// Attempts and hedges of many tenants run at once, win, lose, fail and are cancelled, on every carrier, with small answers and
// with large ones, under clients that give up. No answer may ever carry another tenant's mark, and no two answers may mix.
func TestNoTenantSeesAnothersBytesInAHedge(t *testing.T) {
	nodes := []*testnode.Node{testnode.Start(t), testnode.Start(t), testnode.Start(t), testnode.Start(t)}
	nodes[2].SpeakHop(true)
	nodes[3].SpeakHop(true)
	e := start(t, `
[pools.main]
policy = "round_robin"
nodes = [{ address = "%s" }, { address = "%s" }, { address = "%s" }, { address = "%s" }]
[pools.main.health]
interval = "20ms"
[pools.main.breaker]
consecutive_failures = 0
failure_percent = 0
[pools.main.retry]
attempts = 3
budget_floor = 100000
[pools.main.hedge]
quantile = 0.5
min_delay = "1ms"
budget_percent = 100
budget_burst = 100000
[routes.plain]
pool = "main"
[routes.cached]
pool = "main"
cache = { ttl = "20ms" }
`, nodes...)
	e.awaitHops("http/1.1", "http/1.1", "hop", "hop")
	for i, n := range nodes {
		n.Handle(echoSlowly(t, i))
	}
	const tenants, each = 64, 16
	var group sync.WaitGroup
	for tenant := range tenants {
		group.Go(func() {
			mark := fmt.Sprintf("tenant-%02d.", tenant)
			impatient := &http.Client{Transport: e.client.Transport, Timeout: 3 * time.Millisecond}
			for i := range each {
				if i%8 == 7 { // leave in the middle
					e.leaveEarly(impatient, mark, i)
					continue
				}
				got, err := e.try("POST", "/v2/models/"+modelOf(i)+"/infer", bodyOf(mark, i), "X-Tenant: "+mark)
				if err != nil {
					t.Errorf("%s: %v", mark, err)
					continue
				}
				rest := strings.ReplaceAll(got.body, mark, "")
				if strings.Contains(rest, "tenant-") || got.status == 200 && rest != `{"model_name":"m","mark":""}` {
					t.Errorf("%s got %d %.120q", mark, got.status, rest)
				}
			}
		})
	}
	group.Wait()
	sent, won := e.metric("ganglion_hedges_total"), e.metric("ganglion_hedges_won_total")
	if sent == 0 || won == 0 || won == sent {
		t.Errorf("%v hedges, %v won: the test shows nothing", sent, won)
	}
	t.Logf("%v hedges of %d requests, %v won", sent, tenants*each, won)
	eventually(t, "nothing in flight", func() bool {
		return e.metric("ganglion_upstream_attempts_in_flight") == 0 && e.gateway.Status().InFlight == 0
	})
	eventually(t, "no answer is held any more", func() bool {
		return e.gateway.answers.Left() == int64(e.gateway.cfg.Upstream.MaxAnswerMemory)
	})
}

func modelOf(i int) string { return []string{"plain", "cached"}[i%2] }

func bodyOf(mark string, i int) string {
	return fmt.Sprintf(`{"id":"%s","inputs":["%s"]}`, mark, strings.Repeat(mark, i%7+1))
}

func (e *edge) leaveEarly(client *http.Client, mark string, i int) {
	req, err := http.NewRequestWithContext(e.t.Context(), "POST", e.url+"/v2/models/"+modelOf(i)+"/infer", strings.NewReader(bodyOf(mark, i)))
	if err != nil {
		return
	}
	req.Header.Set("X-Tenant", mark)
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
	}
}

// echoSlowly repeats its tenant's mark, after a time that is often beyond a hedge's, and fails now and then.
func echoSlowly(t *testing.T, node int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		tenant := r.Header.Get("X-Tenant")
		if !strings.Contains(string(body), tenant) {
			t.Errorf("a request of %s carries the body %.80q", tenant, body)
		}
		time.Sleep(time.Duration(rand.IntN(6)) * time.Millisecond) // the model is slow
		if node == 0 && rand.IntN(5) == 0 {
			w.WriteHeader(503)
			fmt.Fprintf(w, `{"error":"%s"}`, tenant)
			return
		}
		size := []int{1, 40, 400, 40, 1, 9000}[rand.IntN(6)] // up to 90 KB, in memory that is shared out
		fmt.Fprintf(w, `{"model_name":"m","mark":"%s"}`, strings.Repeat(tenant, size))
	}
}
