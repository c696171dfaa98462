package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"ganglion/internal/stack"
)

// load is clients that send one request after the other, each with an id and a flower of its own, and check that they
// get the answer to exactly that.
type load struct {
	answered atomic.Int64

	mu       sync.Mutex
	failures []string // guarded by mu

	stop context.CancelFunc
	done sync.WaitGroup
}

// flowers are measurements and the species that the model sees in them.
var flowers = []struct{ measurements, species string }{
	{"5.1,3.5,1.4,0.2", "setosa"},
	{"6.0,2.9,4.5,1.5", "versicolor"},
	{"6.7,3.0,5.2,2.3", "virginica"},
}

func startLoad(t *testing.T, s *stack.Stack, clients int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	t.Cleanup(l.wait)
	url := s.GatewayURL() + "/v2/models/iris/infer"
	client := newClient(t)
	for c := range clients {
		l.done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.one(client, url, fmt.Sprintf("c%d-%d", c, i), flowers[i%len(flowers)].measurements, flowers[i%len(flowers)].species)
			}
		})
	}
	return l
}

func (l *load) one(client *http.Client, url, id, measurements, species string) {
	body := fmt.Sprintf(`{"id":%q,"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[%s]}]}`, id, measurements)
	r, err := send(client, http.MethodPost, url, body)
	var a answer
	if err == nil {
		a, err = parse(r.body)
	}
	switch {
	case err != nil:
		l.fail("%s: %v", id, err)
	case r.status != http.StatusOK:
		l.fail("%s: %d %s", id, r.status, r.body)
	case a.ID != id || a.output("species") != species:
		l.fail("%s (%s): got somebody else's answer: %s", id, species, r.body)
	default:
		l.answered.Add(1)
	}
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Sprintf(format, args...))
}

// wait ends the load once every request that was sent has come back.
func (l *load) wait() {
	l.stop()
	l.done.Wait()
}

// more waits until n further requests were answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	goal := l.answered.Load() + n
	until(t, fmt.Sprintf("%d more answers", n), func() bool { return l.answered.Load() >= goal })
}

// check ends the load and fails the test if any client saw a failure.
func (l *load) check(t *testing.T) {
	t.Helper()
	l.wait()
	for i, f := range l.failures {
		if i == 5 {
			t.Errorf("... and %d more", len(l.failures)-i)
			break
		}
		t.Error(f)
	}
	t.Logf("%d requests answered, %d failures", l.answered.Load(), len(l.failures))
}
