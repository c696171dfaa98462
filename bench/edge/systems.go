//go:build linux

package main

import (
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"ganglion/bench/harness"
	"ganglion/internal/stack"
)

// system is one of those compared.
type system struct {
	name  string // for --only
	title string // for the table
	tool  string // the program; "" for none
	jobs  []job
	// template is its configuration; command starts it with that file.
	template string
	command  func(tool, config, dir string) []string
	env      []string
	log      bool // ours: whether the access log is written
	hop      bool // ours: whether the nodes speak the hop
}

// job is something that a system is measured doing.
type job struct {
	work    string
	clients int
}

// The kinds of work. The first two are also the names of models.
const (
	proxied = "proxied"
	cached  = "cached"
	large   = "large" // proxied, with a tensor of 600 KB in the request
)

// most is the largest number of clients of any job, for which peers are told to be prepared.
const most = 256

// largeClients is how many send large tensors at a time: enough to keep a core busy.
const largeClients = 16

// systems are all that can be measured, in the order of the table.
func systems() []system {
	gateway := func(tool, config, _ string) []string { return []string{tool, "run", "--config", config} }
	oneCore := []string{"GOMAXPROCS=1"} // what the others are told in their files
	ordinary := []job{{proxied, 64}, {proxied, most}}
	whole := []job{{proxied, 64}, {proxied, most}, {proxied, 1}, {large, largeClients}}
	return []system{
		{name: "direct", title: "straight to a node", jobs: []job{{proxied, 64}, {proxied, 1}}},
		{
			name: "haproxy", title: "HAProxy", tool: "haproxy", jobs: whole, template: "haproxy.cfg",
			command: func(tool, config, _ string) []string { return []string{tool, "-db", "-f", config} },
		},
		{
			name: "nginx", title: "nginx", tool: "nginx", jobs: append(ordinary, job{cached, 64}), template: "nginx.conf",
			command: func(tool, config, dir string) []string { return []string{tool, "-p", dir, "-c", config} },
		},
		{
			name: "envoy", title: "Envoy", tool: "envoy", jobs: ordinary, template: "envoy.yaml",
			command: func(tool, config, _ string) []string {
				return []string{tool, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"}
			},
		},
		{
			name: "ganglion", title: "Ganglion, over the hop", tool: "gateway", jobs: append(whole, job{cached, 64}), template: "gateway.toml",
			command: gateway, env: oneCore, hop: true,
		},
		{
			name: "ganglion-http", title: "Ganglion, to HTTP/1.1 nodes", tool: "gateway", jobs: ordinary, template: "gateway.toml",
			command: gateway, env: oneCore,
		},
		{
			name: "ganglion-log", title: "Ganglion, over the hop, access log on", tool: "gateway", jobs: []job{{proxied, 64}, {cached, 64}},
			template: "gateway.toml", command: gateway, env: oneCore, hop: true, log: true,
		},
	}
}

func systemNames() []string {
	var names []string
	for _, s := range systems() {
		names = append(names, s.name)
	}
	return names
}

// configs are the systems' configuration files.
//
//go:embed nginx.conf haproxy.cfg envoy.yaml gateway.toml load.lua large.lua
var configs embed.FS

// settings are what the templates ask for.
type settings struct {
	Dir                   string
	Listen, Admin         string
	ListenPort, AdminPort string
	Nodes                 []string
	Clients               int
	AccessLog             string
	Root                  bool
}

// setup is the script that installs what is not ours.
const setup = "bench/setup.sh"

// findTools finds the programs that o needs, by name.
func findTools(o *options) (map[string]string, error) {
	tools := map[string]string{}
	need := []string{"wrk", "gateway"} // ours is also the load at a fixed rate
	for _, s := range o.systems() {
		if s.tool != "" {
			need = append(need, s.tool)
		}
	}
	for _, name := range need {
		var err error
		switch name {
		case "gateway":
			tools[name], err = filepath.Abs(o.gateway)
			if _, missing := os.Stat(tools[name]); missing != nil {
				err = fmt.Errorf("%s is missing: run \"make build\", or name the binary with --gateway", o.gateway)
			}
		case "envoy":
			tools[name], err = lookEnvoy(o.envoy)
		default:
			tools[name], err = harness.FindProgram(name, setup)
		}
		if err != nil {
			return nil, err
		}
	}
	return tools, nil
}

// lookEnvoy finds the program inside of the environment that setup.sh has made: the script that pip puts on the path would
// be a second process.
func lookEnvoy(environment string) (string, error) {
	found, err := filepath.Glob(filepath.Join(environment, "lib", "python3*", "site-packages", "envoy", "_bin", "envoy"))
	if err == nil && len(found) == 0 {
		return harness.FindProgram("envoy", setup)
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(found[0])
}

// systems are those to be measured.
func (o *options) systems() []system {
	all := systems()
	if len(o.only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(s system) bool { return !slices.Contains(o.only, s.name) })
}

// startSystem runs s and returns where it listens. The one that is none listens
// where a node does, and has no process.
func (b *bench) startSystem(s system) (*harness.Process, string, error) {
	if s.tool == "" {
		return nil, b.plainNodes[0], nil
	}
	ports, err := stack.FreeAddresses(2)
	if err != nil {
		return nil, "", err
	}
	set := settings{
		Dir: b.dir, Listen: ports[0], Admin: ports[1], ListenPort: port(ports[0]), AdminPort: port(ports[1]),
		Nodes: b.plainNodes, Clients: most, AccessLog: "off", Root: os.Geteuid() == 0,
	}
	if s.hop {
		set.Nodes = b.hopNodes
	}
	if s.log {
		set.AccessLog = filepath.Join(b.dir, "access.log")
	}
	config, err := writeConfig(b.dir, s.template, set)
	if err != nil {
		return nil, "", err
	}
	p, err := harness.Start(s.title, []int{b.cores.proxy}, s.env, s.command(b.tools[s.tool], config, b.dir)...)
	return p, set.Listen, err
}

// writeConfig fills in a template and returns the file's path.
func writeConfig(dir, name string, set settings) (string, error) {
	t, err := template.New(name).Funcs(template.FuncMap{"port": port}).ParseFS(configs, name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return path, t.Execute(f, set)
}

// port is an address without its host.
func port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(fmt.Sprintf("BUG: %q was chosen by us: %v", address, err))
	}
	return port
}
