package discovery

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ganglion/internal/conf"
)

// script is a source that says what the test wants.
type script struct {
	began time.Time

	mu     sync.Mutex
	found  found
	err    error
	looked []time.Duration // since the start
}

func (s *script) String() string { return "script" }

func (s *script) look(context.Context) (found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = append(s.looked, time.Since(s.began))
	return s.found, s.err
}

func (s *script) looks() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.looked)
}

func (s *script) say(ttl time.Duration, addresses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.found = nil, found{ttl: ttl}
	for _, a := range addresses {
		s.found.nodes = append(s.found.nodes, Node{Address: a, Weight: 1})
	}
}

func (s *script) fail(kind Kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found, s.err = found{}, failf(kind, "%s", text)
}

// flaw is a list of which a part is missing.
func (s *script) flaw(kind Kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found.flaw = failf(kind, "%s", text)
}

// watch runs a watcher in a bubble of its own time, and tells how many changes it was told of.
func watch(t *testing.T, f func(t *testing.T, s *script, w *Watcher, changes *int, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: time.Now()}
		var log bytes.Buffer
		changes := 0
		w := newWatcher(s, time.Second, time.Minute, Options{Changed: func() { changes++ }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		s.say(5*time.Second, "a:1", "b:1")
		go func() { defer close(ended); _ = w.Run(ctx) }()
		synctest.Wait()
		f(t, s, w, &changes, &log)
		cancel()
		<-ended
	})
}

func TestTimeToLiveIsHonoured(t *testing.T) {
	watch(t, func(t *testing.T, s *script, w *Watcher, changes *int, _ *bytes.Buffer) {
		for _, tt := range []struct{ ttl, least, most time.Duration }{
			{5 * time.Second, 5 * time.Second, 5500 * time.Millisecond},
			{0, time.Second, 1100 * time.Millisecond},
			{time.Hour, time.Minute, 66 * time.Second},
		} {
			s.say(tt.ttl, "a:1", "b:1")
			w.Hurry()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			looks := s.looks()
			n := len(looks)
			if gap := looks[n-1] - looks[n-2]; gap < tt.least || gap > tt.most {
				t.Errorf("with a time to live of %s the gap is %s, want %s to %s", tt.ttl, gap, tt.least, tt.most)
			}
		}
		if *changes != 1 {
			t.Errorf("%d changes of a list that never changed, want 1 (its first)", *changes)
		}
	})
}

// Whatever goes wrong, the last list stays; it is counted and told, and the log has it once.
func TestLastGoodListStays(t *testing.T) {
	watch(t, func(t *testing.T, s *script, w *Watcher, changes *int, log *bytes.Buffer) {
		for _, kind := range Kinds() {
			s.fail(kind, "broken: "+kind.String())
			time.Sleep(30 * time.Second)
			synctest.Wait()
			st := w.Status()
			if list(st.Nodes) != "a:1 b:1" || *changes != 1 || st.Failures[kind] < 2 || st.Error == nil || time.Since(st.Good) < 20*time.Second {
				t.Errorf("%s: %q, %d changes, %d failures, %v", kind, list(st.Nodes), *changes, st.Failures[kind], st.Error)
			}
			if n := strings.Count(log.String(), "broken: "+kind.String()); n != 1 {
				t.Errorf("%s: the log has it %d times", kind, n)
			}
		}
		s.say(time.Second, "b:1", "c:1")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if st := w.Status(); list(st.Nodes) != "b:1 c:1" || *changes != 2 || st.Error != nil || st.Changes != 2 {
			t.Errorf("afterwards: %q, %d changes, %v", list(st.Nodes), *changes, st.Error)
		}
		for _, want := range []string{"discovery works again", "nodes=2 joined=1 left=1 altered=0"} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("the log does not have %q once:\n%s", want, log)
			}
		}
	})
}

func TestFailuresBackOff(t *testing.T) {
	watch(t, func(t *testing.T, s *script, _ *Watcher, _ *int, _ *bytes.Buffer) {
		s.fail(Timeout, "silent")
		from := len(s.looks())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		looks := s.looks()[from:]
		want := time.Second
		for i := 1; i < len(looks); i++ {
			if gap := looks[i] - looks[i-1]; gap < want || gap > want+want/10 {
				t.Errorf("pause %d is %s, want %s to a tenth more", i, gap, want)
			}
			want = min(2*want, maxBackoff)
		}
		if want != maxBackoff {
			t.Errorf("only %d looks", len(looks))
		}
	})
}

func TestHurry(t *testing.T) {
	watch(t, func(t *testing.T, s *script, w *Watcher, _ *int, _ *bytes.Buffer) {
		s.say(time.Minute, "a:1")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := len(s.looks())
		for range 100 {
			w.Hurry()
		}
		synctest.Wait()
		if len(s.looks()) != before+1 {
			t.Errorf("%d looks at once, want 1", len(s.looks())-before)
		}
		for range 100 { // in a hurry all the time
			w.Hurry()
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(s.looks()) - before - 1; n < 9 || n > 11 {
			t.Errorf("%d looks in 10 s of hurry, want one a second", n)
		}
	})
}

// A partial failure is shown although the list is new.
func TestFlawsAreShown(t *testing.T) {
	watch(t, func(t *testing.T, s *script, w *Watcher, _ *int, _ *bytes.Buffer) {
		s.say(time.Second, "c:1")
		s.flaw(Timeout, "target x is silent")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if st := w.Status(); list(st.Nodes) != "c:1" || st.Error == nil || !st.Partial || st.Failures[Timeout] == 0 {
			t.Errorf("got %+v", st)
		}
	})
}

// A watched file and a real DNS server, from end to end.
func TestWatchersOfAConfiguration(t *testing.T) {
	s := dns(t)
	s.Set("nodes.test.", 0, "A 10.0.0.1")
	c := asking(s)
	c.DNS, c.File, c.MinRefresh = "nodes.test:9000", t.TempDir()+"/nodes.txt", minRefresh
	write(t, c.File, "10.0.0.3:9000\n")
	watchers := New(c, Options{Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	var ended []chan struct{}
	for _, w := range watchers {
		done := make(chan struct{})
		ended = append(ended, done)
		go func() { defer close(done); _ = w.Run(ctx) }()
	}
	all := func() string {
		var texts []string
		for _, w := range watchers {
			texts = append(texts, w.Status().Source[:3]+" "+list(w.Status().Nodes))
		}
		return strings.Join(texts, "; ")
	}
	await(t, "both lists", func() bool { return all() == "dns 10.0.0.1:9000; fil 10.0.0.3:9000" })
	s.Set("nodes.test.", 0, "A 10.0.0.2")
	write(t, c.File, "10.0.0.4:9000\n")
	await(t, "both changes", func() bool { return all() == "dns 10.0.0.2:9000; fil 10.0.0.4:9000" })
	s.Remove("nodes.test.")
	write(t, c.File, "nonsense\n")
	await(t, "both failures", func() bool { return watchers[0].Status().Error != nil && watchers[1].Status().Error != nil })
	if got := all(); got != "dns 10.0.0.2:9000; fil 10.0.0.4:9000" {
		t.Errorf("the lists are %q", got)
	}
	cancel()
	for _, done := range ended {
		<-done
	}
}

func TestLookupTellsBeforehand(t *testing.T) {
	s := dns(t)
	c := asking(s)
	c.DNS, c.File = "nodes.test:9000", t.TempDir()+"/nodes.txt"
	write(t, c.File, "10.0.0.3:9000\n")
	all := Lookup(t.Context(), c)
	if len(all) != 2 || all[0].Error == nil || all[1].Error != nil || list(all[1].Nodes) != "10.0.0.3:9000" {
		t.Errorf("got %+v", all)
	}
}

type wrapper struct {
	Discover *Config `toml:"discover"`
}

func (w *wrapper) Check(r *conf.Report) { w.Discover.Check(r.At("discover")) }

func TestTablesThatMakeNoSense(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		var w wrapper
		_, err := conf.Decode("f", []byte("[discover]\n"+src), &w)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", src, err, want)
		}
	}
	f("", "discover: names no source")
	f(`dns = "nodes.internal"`, `address "nodes.internal" is not "host:port", such as "nodes.internal:9000"`)
	f(`dns = "nodes.internal:0"`, `has port "0"`)
	f(`dns = "10.0.0.1:9000"`, "is an address, which needs no DNS: write it in nodes")
	f(`dns = "no des:9000"`, `has host "no des"`)
	f(`srv = "nodes.internal"`, "is no name of SRV records")
	f(`srv = "_oip._tcp"`, "is no name of SRV records")
	f("file = \"n\"\nprotocol = \"h2\"", `discover.protocol: "h2" is not known`)
	f("file = \"n\"\nfamily = \"six\"", `discover.family: "six" is not known`)
	f("dns = \"n.x:1\"\nservers = [\"dns.internal\"]", `"dns.internal" is no DNS server`)
	f("dns = \"n.x:1\"\nmin_refresh = \"1ms\"", "min_refresh: 1ms is out of range: accepts 100ms to 24h")
	f("dns = \"n.x:1\"\nmin_refresh = \"2m\"", "min_refresh: 2m0s is more than max_refresh (1m0s)")
	f("dns = \"n.x:1\"\nlinger = \"2h\"", "linger: 2h0m0s is out of range: accepts 0s to 1h")
	f("dns = \"n.x:1\"\nservers = [\"1.1.1.1\", \"::1\"]", "")
	f("srv = \"_oip._tcp.n.x.\"\nfile = \"a/nodes.txt\"\n", "")
}
