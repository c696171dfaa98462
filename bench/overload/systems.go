//go:build linux

package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"ganglion/bench/harness"
	"ganglion/internal/stack"
)

// system is one of those compared.
type system struct {
	name     string // for --only
	title    string // for the tables
	tool     string // the program; "" = the node itself
	template string // its configuration
	deny     bool   // HAProxy: refuse at once when more wait than can be served soon
	enforce  bool   // ours: no limit is configured, it has to be found
	command  func(tool, config, dir string) []string
}

func systems() []system {
	haproxy := func(tool, config, _ string) []string { return []string{tool, "-db", "-f", config} }
	gateway := func(tool, config, _ string) []string { return []string{tool, "run", "--config", config} }
	return []system{
		{name: "direct", title: "the node itself"},
		{
			name: "nginx", title: "nginx, `max_conns`", tool: "nginx", template: "nginx.conf",
			command: func(tool, config, dir string) []string { return []string{tool, "-p", dir, "-c", config} },
		},
		{name: "haproxy", title: "HAProxy, `maxconn` and `timeout queue`", tool: "haproxy", template: "haproxy.cfg", command: haproxy},
		{name: "haproxy-deny", title: "the same with a rule that denies by queue length", tool: "haproxy", template: "haproxy.cfg", deny: true, command: haproxy},
		{name: "ganglion", title: "Ganglion, `max_inflight`", tool: "gateway", template: "gateway.toml", command: gateway},
		{name: "ganglion-enforce", title: "Ganglion, limit found by itself", tool: "gateway", template: "gateway.toml", enforce: true, command: gateway},
	}
}

func systemNames() (names []string) {
	for _, s := range systems() {
		names = append(names, s.name)
	}
	return names
}

func (o *options) systems() []system {
	all := systems()
	if len(o.only) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(s system) bool { return !slices.Contains(o.only, s.name) })
}

// configs are the systems' configuration files.
//
//go:embed nginx.conf haproxy.cfg gateway.toml
var configs embed.FS

// settings are what the templates ask for.
type settings struct {
	Dir, Listen, Admin string
	Nodes              []string
	Slots              int
	Root, Deny         bool
	Enforce            bool
}

// start runs the system in front of the nodes and returns where it listens.
func (b *bench) start(s system, nodes ...*node) (*harness.Process, string, error) {
	if s.tool == "" {
		return nil, nodes[0].address, nil
	}
	tool, err := b.find(s.tool)
	if err != nil {
		return nil, "", err
	}
	ports, err := stack.FreeAddresses(2)
	if err != nil {
		return nil, "", err
	}
	set := settings{
		Dir: b.dir, Listen: ports[0], Admin: ports[1], Slots: slots, Root: os.Geteuid() == 0, Deny: s.deny, Enforce: s.enforce,
	}
	for _, n := range nodes {
		set.Nodes = append(set.Nodes, n.address)
	}
	config, err := b.write(s.template, set)
	if err != nil {
		return nil, "", err
	}
	p, err := harness.Start(s.title, nil, nil, s.command(tool, config, b.dir)...)
	return p, set.Listen, err
}

// find looks for a program, also where Debian keeps its daemons.
func (b *bench) find(tool string) (string, error) {
	if tool == "gateway" {
		path, err := filepath.Abs(b.gateway)
		if _, missing := os.Stat(path); missing != nil {
			err = fmt.Errorf("%s is missing: run \"make build\", or name the binary with --gateway", b.gateway)
		}
		return path, err
	}
	return harness.FindProgram(tool, "bench/setup.sh")
}

// write fills in a template and returns the file's path.
func (b *bench) write(name string, set settings) (string, error) {
	t, err := template.ParseFS(configs, name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return path, t.Execute(f, set)
}
