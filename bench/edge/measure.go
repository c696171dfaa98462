//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ganglion/bench/harness"
	"ganglion/internal/stack"
)

// bench is one run of the benchmark.
type bench struct {
	*options
	tools    map[string]string
	dir      string
	cores    cores
	nodes    *harness.Process
	progress io.Writer

	hopNodes, plainNodes []string // addresses
}

// measurement is one system doing one thing for a while.
type measurement struct {
	System       string  `json:"system"`
	Work         string  `json:"work"`
	Clients      int     `json:"clients"`
	Round        int     `json:"round"`
	Requests     int64   `json:"requests"`
	Seconds      float64 `json:"seconds"`
	CPUMicros    float64 `json:"cpu_us_per_request"`      // of the proxy; 0 without one
	NodeMicros   float64 `json:"node_cpu_us_per_request"` // of the nodes
	CoreBusy     float64 `json:"core_busy"`               // share of its core that the proxy used
	P50US        int64   `json:"p50_us"`
	P99US        int64   `json:"p99_us"`
	NodeAnswered int64   `json:"node_answered"` // how many of the requests reached a node
	OthersShare  float64 `json:"others"`        // of all cores, what processes that are not ours used
}

// startNodes builds and runs two nodes that speak the hop and two that do not,
// in one process, which leaves more of the core to the load.
func (b *bench) startNodes(ctx context.Context) error {
	binary := filepath.Join(b.dir, "node")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "ganglion/bench/edge/node")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the node: %w: %s", err, out)
	}
	all, err := stack.FreeAddresses(4)
	if err != nil {
		return err
	}
	b.hopNodes, b.plainNodes = all[:2], all[2:]
	b.nodes, err = harness.Start("nodes", b.cores.rest, nil, binary, "-listen", strings.Join(b.hopNodes, ","), "-plain", strings.Join(b.plainNodes, ","))
	if err != nil {
		return err
	}
	err = b.nodes.Await(func() error {
		_, err := b.answered()
		return err
	})
	if err != nil {
		b.nodes.Stop()
	}
	return err
}

// answered is how many requests the nodes have answered so far.
func (b *bench) answered() (int64, error) {
	var sum int64
	for _, addr := range slices.Concat(b.hopNodes, b.plainNodes) {
		body, err := fetch(http.MethodGet, "http://"+addr+"/count", "")
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(string(body), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// measureAll measures every job of every system in each round. Every round
// begins with another system, so that none is always the one after a pause.
func (b *bench) measureAll(ctx context.Context) (*report, error) {
	all := b.systems()
	r := newReport(b)
	for round := range b.rounds {
		for i := range all {
			s := all[(round+i)%len(all)]
			ms, err := b.measure(ctx, s, round+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.title, err)
			}
			r.add(ms)
		}
	}
	return r, nil
}

// measure runs one system through its jobs.
func (b *bench) measure(ctx context.Context, s system, round int) ([]measurement, error) {
	p, addr, err := b.startSystem(s)
	if err != nil {
		return nil, err
	}
	if p != nil {
		defer p.Stop()
		if err := p.Await(func() error { return b.probe(addr) }); err != nil {
			return nil, err
		}
	}
	var ms []measurement
	for _, j := range s.jobs {
		m, err := b.measureJob(ctx, p, addr, j)
		if err != nil {
			return nil, fmt.Errorf("%s, %d clients: %w", j.work, j.clients, err)
		}
		m.System, m.Work, m.Clients, m.Round = s.name, j.work, j.clients, round
		cost := "       – "
		if p != nil {
			cost = fmt.Sprintf("%6.1f µs", m.CPUMicros)
		}
		fmt.Fprintf(b.progress, "round %d/%d  %-13s  %-7s × %-3d %s, %6.0f requests/s, others used %2.0f %%\n",
			round, b.rounds, s.name, j.work, j.clients, cost, perSecond(&m), 100*m.OthersShare)
		ms = append(ms, m)
	}
	return ms, nil
}

// probe sees whether a system answers both models with a node's answer.
func (b *bench) probe(addr string) error {
	want, err := fetch(http.MethodPost, "http://"+b.plainNodes[0]+"/", question)
	if err != nil {
		return err
	}
	for _, model := range []string{proxied, cached} {
		got, err := fetch(http.MethodPost, "http://"+addr+"/v2/models/"+model+"/infer", question)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("model %s is answered with %q, a node answers %q", model, got, want)
		}
	}
	return nil
}

// question is one that load.lua does not ask.
const question = `{"id":"1","inputs":[{"name":"measurements","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}`

// usage is CPU time at one moment.
type usage struct {
	at                   time.Time
	proxy, ours, machine time.Duration
	nodes                time.Duration
	answered             int64
}

// use takes the time of the proxy (which may be nil), of all that is ours but
// the load, and of the machine.
func (b *bench) use(p *harness.Process) (u usage, err error) {
	if u.answered, err = b.answered(); err != nil {
		return u, err
	}
	if p != nil {
		if err := p.Ended(); err != nil {
			return u, err
		}
		if u.proxy, err = cpuTime(p.PID()); err != nil {
			return u, err
		}
	}
	if u.nodes, err = cpuTime(b.nodes.PID()); err != nil {
		return u, err
	}
	// Nodes and proxy are our children, the load no longer is.
	if u.ours, err = cpuTime(os.Getpid()); err != nil {
		return u, err
	}
	u.machine, err = busyTime()
	u.at = time.Now()
	return u, err
}

// measureJob warms up, then measures what the proxy uses while it is asked.
func (b *bench) measureJob(ctx context.Context, p *harness.Process, addr string, j job) (m measurement, err error) {
	script, model := "load.lua", j.work
	if j.work == large {
		script, model = "large.lua", proxied
	}
	url := "http://" + addr + "/v2/models/" + model + "/infer"
	if _, err := b.load(ctx, script, url, j.clients, time.Second); err != nil {
		return m, err
	}
	before, err := b.use(p)
	if err != nil {
		return m, err
	}
	l, err := b.load(ctx, script, url, j.clients, b.duration)
	if err != nil {
		return m, err
	}
	after, err := b.use(p)
	if err != nil {
		return m, err
	}
	m = judge(before, after, l, len(b.cores.rest)+1)
	return m, m.check(j.work == cached, j.clients)
}

// judge makes a measurement of what was used between two moments.
func judge(before, after usage, l loaded, cores int) measurement {
	proxy := after.proxy - before.proxy
	wall := after.at.Sub(before.at).Seconds()
	others := after.machine - before.machine - (after.ours - before.ours)
	return measurement{
		Requests:     l.Requests,
		Seconds:      float64(l.DurationUS) / 1e6,
		CPUMicros:    proxy.Seconds() * 1e6 / float64(l.Requests),
		NodeMicros:   (after.nodes - before.nodes).Seconds() * 1e6 / float64(l.Requests),
		CoreBusy:     proxy.Seconds() / wall,
		P50US:        l.P50US,
		P99US:        l.P99US,
		NodeAnswered: after.answered - before.answered,
		OthersShare:  max(others.Seconds()/wall/float64(cores), 0),
	}
}

// check refuses answers from the wrong place. Nodes also answer what was in
// flight when the load stopped, now and after warming up: at most one request a
// client each time. A cache may be slow to take an answer in, so a hundredth of
// the requests may miss it.
func (m *measurement) check(fromCache bool, clients int) error {
	switch strays := m.NodeAnswered - m.Requests; {
	case fromCache && m.NodeAnswered > m.Requests/100+int64(clients):
		return fmt.Errorf("nodes answered %d of %d requests: they should have come from the cache", m.NodeAnswered, m.Requests)
	case !fromCache && (strays < -2*int64(clients) || strays > 2*int64(clients)+m.Requests/100):
		return fmt.Errorf("nodes answered %d requests, clients had %d answers: each should have been proxied once", m.NodeAnswered, m.Requests)
	}
	return nil
}

// fetch makes one request on a connection of its own; body "" is none.
func fetch(method, url, body string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return b, err
}
