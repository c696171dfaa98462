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
)

// system is one of those compared.
type system struct {
	name  string // for --only
	title string // for the table
	tool  string // the program; "" for none
	// cases are what it is measured doing.
	cases []string
	// template is its configuration; command starts it with that file.
	template string
	command  func(tool, config, dir string) []string
	env      []string
	log      bool // ours: whether the access log is written
}

// The cases, which are also the names of the models asked for.
const (
	proxied = "proxied"
	cached  = "cached"
)

// systems are all that can be measured, in the order of the table.
func systems() []system {
	gateway := func(tool, config, _ string) []string { return []string{tool, "run", "--config", config} }
	oneCore := []string{"GOMAXPROCS=1"} // what nginx and HAProxy are told in their files
	return []system{
		{name: "direct", title: "straight to a node", cases: []string{proxied}},
		{
			name: "haproxy", title: "HAProxy", tool: "haproxy", cases: []string{proxied}, template: "haproxy.cfg",
			command: func(tool, config, _ string) []string { return []string{tool, "-db", "-f", config} },
		},
		{
			name: "nginx", title: "nginx", tool: "nginx", cases: []string{proxied, cached}, template: "nginx.conf",
			command: func(tool, config, dir string) []string { return []string{tool, "-p", dir, "-c", config} },
		},
		{
			name: "ganglion", title: "Ganglion", tool: "gateway", cases: []string{proxied, cached}, template: "gateway.toml",
			command: gateway, env: oneCore,
		},
		{
			name: "ganglion-log", title: "Ganglion, access log on", tool: "gateway", cases: []string{proxied, cached},
			template: "gateway.toml", command: gateway, env: oneCore, log: true,
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
//go:embed nginx.conf haproxy.cfg gateway.toml load.lua
var configs embed.FS

// settings are what the templates ask for.
type settings struct {
	Dir       string
	Listen    string
	Admin     string
	Nodes     []string
	Clients   int
	AccessLog string
	Root      bool
}

// findTools finds the programs that o needs, by name.
func findTools(o *options) (map[string]string, error) {
	tools := map[string]string{}
	need := []string{"wrk"}
	for _, s := range o.systems() {
		if s.tool != "" {
			need = append(need, s.tool)
		}
	}
	for _, name := range need {
		var err error
		if name == "gateway" {
			tools[name], err = filepath.Abs(o.gateway)
			if _, missing := os.Stat(tools[name]); missing != nil {
				err = fmt.Errorf("%s is missing: run \"make build\", or name the binary with --gateway", o.gateway)
			}
		} else {
			tools[name], err = lookTool(name)
		}
		if err != nil {
			return nil, err
		}
	}
	return tools, nil
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
func (b *bench) startSystem(s system) (*process, string, error) {
	if s.tool == "" {
		return nil, b.nodeAddrs[0], nil
	}
	ports, err := freeAddrs(2)
	if err != nil {
		return nil, "", err
	}
	set := settings{
		Dir: b.dir, Listen: ports[0], Admin: ports[1], Nodes: b.nodeAddrs, Clients: b.clients,
		AccessLog: "off", Root: os.Geteuid() == 0,
	}
	if s.log {
		set.AccessLog = filepath.Join(b.dir, "access.log")
	}
	config, err := writeConfig(b.dir, s.template, set)
	if err != nil {
		return nil, "", err
	}
	p, err := start(s.title, []int{b.cores.proxy}, s.env, s.command(b.tools[s.tool], config, b.dir)...)
	return p, set.Listen, err
}

// writeConfig fills in a template and returns the file's path.
func writeConfig(dir, name string, set settings) (string, error) {
	t, err := template.ParseFS(configs, name)
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

// freeAddrs are loopback addresses that nobody listens on right now.
func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // only now, so that each gets another one
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}
