//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"ganglion/internal/discovery/dnstest"
	"ganglion/internal/stack"
)

// nodes is how many there are: enough for a pool to have a majority that is well, few enough for one to matter.
const nodes = 3

// patience is how long a process may take to come up or to go.
const patience = 30 * time.Second

// carriers are the ways in which a gateway reaches nodes: over the hop, over HTTP/1.1 as it does servers of other makers,
// and over gRPC.
var carriers = []string{"hop", "http", "grpc"}

// bed is a gateway with its nodes, for one fault.
type bed struct {
	trial     *trial
	stack     *stack.Stack
	addresses []string // of the nodes, as the gateway knows them
	cables    []*cable
	fronts    []*front
	servers   []*server
	dns       *dnstest.Server // lists the nodes, where they are not in gateway.toml

	mu     sync.Mutex
	healed time.Time // zero = not yet
}

// newBed starts processes for a fault, and what stands between them. Ports are chosen before they are taken: whoever comes
// between must not cost the run.
func (t *trial) newBed(ctx context.Context, f *fault, carrier string) (b *bed, err error) {
	for range 3 {
		if b, err = t.tryBed(ctx, f, carrier); !errors.Is(err, stack.ErrPortInUse) {
			break
		}
	}
	return b, err
}

func (t *trial) tryBed(ctx context.Context, f *fault, carrier string) (b *bed, err error) {
	b = &bed{trial: t}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	free, err := stack.FreeAddresses(3 * nodes)
	if err != nil {
		return b, err
	}
	overHTTP, overGRPC, between := free[:nodes], free[nodes:2*nodes], free[2*nodes:]
	if f.dns {
		if overHTTP, err = b.list(free[0]); err != nil {
			return b, err
		}
	}
	targets := overHTTP
	if carrier == "grpc" {
		targets = overGRPC
	}
	for i, target := range targets {
		address, err := b.connect(f, target, between[i], carrier == "http")
		if err != nil {
			return b, err
		}
		b.addresses = append(b.addresses, address)
	}
	return b, b.start(ctx, nodes, overHTTP, overGRPC, carrier)
}

// start starts so many nodes, and a gateway that knows b.addresses, and waits until it has found all of them to be up.
func (b *bed) start(ctx context.Context, count int, overHTTP, overGRPC []string, carrier string) (err error) {
	t := b.trial
	b.stack, err = stack.Start(ctx, stack.Config{
		BinDir: t.options.bin, Models: t.repository(), Nodes: count, NodeAddresses: overHTTP, NodeGRPC: overGRPC,
		GatewayConfig: b.config(carrier), Out: t.log,
	})
	if err != nil {
		return err
	}
	return b.awaitNodes(ctx)
}

// nodeName is what DNS knows the nodes by.
const nodeName = "nodes.test."

// list starts a DNS server that lists the nodes. They have addresses of their own, and share a port, as a name demands.
func (b *bed) list(free string) (addresses []string, err error) {
	_, port, err := net.SplitHostPort(free)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		addresses = append(addresses, net.JoinHostPort(fmt.Sprintf("127.0.0.%d", i+2), port))
	}
	if b.dns, err = dnstest.Listen(); err != nil {
		return nil, err
	}
	b.setDNS(addresses)
	return addresses, nil
}

// setDNS makes addresses all that the name stands for. A record is good for a second.
func (b *bed) setDNS(addresses []string) {
	var lines []string
	for _, a := range addresses {
		host, _, _ := net.SplitHostPort(a) // made by list
		lines = append(lines, "A "+host)
	}
	b.dns.Set(nodeName, 1, lines...)
}

// connect puts what the fault needs between the gateway and a node, and returns where the gateway finds that node. All nodes
// get the same, so that none is farther away than the others.
func (b *bed) connect(f *fault, target, between string, plain bool) (string, error) {
	if f.via == fronted {
		front := newFront(target)
		s, err := serve(between, front, plain, 0)
		if err == nil {
			b.fronts, b.servers = append(b.fronts, front), append(b.servers, s)
		}
		return between, err
	}
	if !plain && f.via == direct {
		return target, nil
	}
	c, err := newCable(between, target, plain)
	if err == nil {
		b.cables = append(b.cables, c)
	}
	return between, err
}

// config is gateway.toml: the nodes as the gateway is to find them.
func (b *bed) config(carrier string) string {
	if b.dns == nil {
		return gatewayConfig(nodeList(b.addresses, carrier))
	}
	_, port, _ := net.SplitHostPort(b.addresses[0]) // made by list
	return gatewayConfig(fmt.Sprintf("[pools.main.discover]\ndns = %q\nservers = [%q]\n", strings.TrimSuffix(nodeName, ".")+":"+port, b.dns.Address()))
}

// nodeList is the key of a pool that lists its nodes.
func nodeList(addresses []string, carrier string) string {
	protocol := "http"
	if carrier == "grpc" {
		protocol = "grpc"
	}
	var entries strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&entries, "  { address = %q, protocol = %q },\n", a, protocol)
	}
	return "nodes = [\n" + entries.String() + "]\n"
}

// gatewayConfig has the defaults of everything but what a test cannot have: a cache, a log line for each request and a wait
// at the end. pool is what the pool's table has.
func gatewayConfig(pool string) string {
	return `[server]
http = "${STACK_HTTP}"
grpc = ""
admin = "${STACK_ADMIN}"
drain_delay = "0s"
[log]
access = "off"
[routes."*"]
pool = "main"
[pools.main]
` + pool
}

// victim is the node that is broken.
func (b *bed) victim() *stack.Process { return b.stack.Nodes()[0] }

// kill kills node i. A cable in front of it refuses connections from then on, as the node's own host does.
func (b *bed) kill(i int) error {
	if err := b.stack.Nodes()[i].Kill(); err != nil {
		return err
	}
	if len(b.cables) > i {
		b.cables[i].unplug()
	}
	return nil
}

// restart starts node i again after kill.
func (b *bed) restart(ctx context.Context, i int) error {
	if len(b.cables) > i {
		if err := b.cables[i].listen(); err != nil {
			return err
		}
	}
	return b.stack.Nodes()[i].Restart(ctx, patience)
}

// heal notes that a node can work again, the first time that it is called.
func (b *bed) heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.healed.IsZero() {
		b.healed = time.Now()
	}
}

// close ends everything. The error is that of a gateway that did not end well.
func (b *bed) close() error {
	var err error
	if b.stack != nil {
		err = b.stack.Stop()
	}
	for _, c := range b.cables {
		c.close()
	}
	for _, s := range b.servers {
		s.close()
	}
	for _, f := range b.fronts {
		f.close()
	}
	if b.dns != nil {
		b.dns.Close()
	}
	return err
}

// awaitNodes waits until the gateway has found all nodes to be up.
func (b *bed) awaitNodes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		st, err := readStatus(ctx, b.stack.AdminURL())
		up := 0
		for _, n := range st {
			if n.State == "up" {
				up++
			}
		}
		if err == nil && up == len(b.addresses) {
			return nil
		}
		if wait := pause(ctx, 20*time.Millisecond); wait != nil {
			return fmt.Errorf("%d of %d nodes are up after %s: %w", up, len(b.addresses), patience, errors.Join(err, wait))
		}
	}
}

// order tells the gateway's operators' port to drain a node or to end that: "drain" or "undrain".
func (b *bed) order(ctx context.Context, verb, node string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.stack.AdminURL()+"/"+verb+"?node="+url.QueryEscape(node), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %.200s", verb, node, resp.Status, body)
	}
	return nil
}

// nodeStatus is what the gateway says of a node.
type nodeStatus struct {
	Address  string `json:"address"`
	State    string `json:"state"`
	Circuit  string `json:"circuit"`
	Attempts uint64 `json:"attempts"`
}

// readStatus asks the gateway about the nodes of its only pool.
func readStatus(ctx context.Context, admin string) ([]nodeStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var st struct {
		Pools []struct {
			Nodes []nodeStatus `json:"nodes"`
		} `json:"pools"`
	}
	if err := json.Unmarshal(body, &st); err != nil || len(st.Pools) != 1 {
		return nil, fmt.Errorf("status page: %w: %.200s", err, body)
	}
	return st.Pools[0].Nodes, nil
}
