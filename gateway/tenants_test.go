package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ganglion/internal/testnode"
)

// Buffers of many requests are reused at once here: retries, shadows, cache and clients that give up. No answer may ever
// carry another tenant's mark.
func TestNoTenantSeesAnothersBytes(t *testing.T) {
	a, b, shadow := testnode.Start(t), testnode.Start(t), testnode.Start(t)
	e := start(t, twoNodes+`
[pools.shadow]
nodes = [{ address = "%s" }]
[pools.main.breaker]
consecutive_failures = 0
failure_percent = 0
[pools.main.retry]
budget_floor = 100000
[routes.plain]
pool = "main"
shadow = { pool = "shadow" }
[routes.cached]
pool = "main"
cache = { ttl = "20ms" }
shadow = { pool = "shadow" }
`, a, b, shadow)
	echo := func(fail bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			tenant := r.Header.Get("X-Tenant")
			if fail && len(body)%3 == 0 {
				w.WriteHeader(503)
				fmt.Fprintf(w, `{"error":"%s"}`, tenant)
				return
			}
			if !strings.Contains(string(body), tenant) {
				t.Errorf("a request of %s carries the body %.80q", tenant, body)
			}
			time.Sleep(time.Duration(len(body)%5) * 100 * time.Microsecond)
			w.Header().Set("X-Tenant", tenant)
			fmt.Fprintf(w, `{"model_name":"m","mark":"%s"}`, strings.Repeat(tenant, 1+len(body)%40))
		}
	}
	a.Handle(echo(true))
	b.Handle(echo(false))
	shadow.Handle(echo(false))
	const tenants, each = 64, 40
	var group sync.WaitGroup
	for tenant := range tenants {
		group.Go(func() {
			mark := fmt.Sprintf("tenant-%02d.", tenant)
			impatient := &http.Client{Transport: e.client.Transport, Timeout: time.Millisecond}
			for i := range each {
				model := []string{"plain", "cached"}[i%2]
				body := fmt.Sprintf(`{"id":"%s","inputs":["%s"]}`, mark, strings.Repeat(mark, i%7+1))
				if i%10 == 9 { // leave in the middle
					req, _ := http.NewRequest("POST", e.url+"/v2/models/"+model+"/infer", strings.NewReader(body))
					req.Header.Set("X-Tenant", mark)
					if resp, err := impatient.Do(req); err == nil {
						resp.Body.Close()
					}
					continue
				}
				got, err := e.try("POST", "/v2/models/"+model+"/infer", body, "X-Tenant: "+mark)
				if err != nil {
					t.Errorf("%s: %v", mark, err)
					continue
				}
				rest := strings.ReplaceAll(got.body, mark, "")
				if strings.Contains(rest, "tenant-") || (got.status == 200 && !strings.Contains(got.body, mark)) {
					t.Errorf("%s got %d %.120q", mark, got.status, got.body)
				}
			}
		})
	}
	group.Wait()
}
