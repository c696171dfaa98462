package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
	"ganglion/internal/conf"
	"ganglion/internal/discovery"
	"ganglion/internal/hostport"
)

const validateUsage = `gateway validate checks a configuration and says all that is wrong with it.

usage: gateway validate [flags]

  --config FILE       the configuration (default gateway.toml)
  --resolve           look also at where nodes come from, in DNS or files, and warn of what has none
  --json              print JSON

The exit code is 1 when the file cannot be used; warnings leave it 0.
`

// report is what `gateway validate --json` prints.
type report struct {
	File     string    `json:"file"`
	OK       bool      `json:"ok"`
	Summary  string    `json:"summary,omitempty"`
	Errors   []finding `json:"errors"`
	Warnings []finding `json:"warnings"`
}

type finding struct {
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// validate checks a file and says what is wrong with it, all at once.
//
// It asks nobody over the network unless told to: a file must be good or bad wherever it is checked, be that a machine that
// builds or one that has no DNS server of ours. With --resolve it looks at the sources of nodes as the gateway would, and warns
// of those that have no list now, and of nodes whose names have no address; they are no errors, since the gateway starts without them.
func validate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	line := newCommand("validate", validateUsage)
	file := line.String("config", defaultConfig, "")
	asJSON := line.Bool("json", false, "")
	resolve := line.Bool("resolve", false, "")
	if err := line.ReadFlags(args, stdout); err != nil {
		return cmdline.UnlessHelp(err)
	}
	cfg, warnings, err := gateway.LoadConfig(*file)
	var problems conf.Problems
	if err != nil && !errors.As(err, &problems) {
		return err // the file could not be read
	}
	if *resolve && err == nil {
		warnings = append(warnings, lookAtSources(ctx, *file, cfg)...)
		warnings = append(warnings, lookAtNames(ctx, *file, cfg)...)
	}
	if *asJSON {
		return printReport(stdout, *file, cfg, problems, warnings)
	}
	for _, w := range warnings {
		fmt.Fprintln(stderr, "warning: "+w.String())
	}
	for _, p := range problems {
		fmt.Fprintln(stderr, p.String())
	}
	if len(problems) > 0 {
		return errSaid
	}
	fmt.Fprintf(stdout, "%s: ok: %s\n", *file, summary(cfg))
	return nil
}

func printReport(w io.Writer, file string, cfg *gateway.Config, problems, warnings conf.Problems) error {
	rep := report{File: file, OK: len(problems) == 0, Errors: findings(problems), Warnings: findings(warnings)}
	if rep.OK {
		rep.Summary = summary(cfg)
	}
	if err := printJSON(w, rep); err != nil {
		return err
	}
	if !rep.OK {
		return errSaid
	}
	return nil
}

func findings(problems conf.Problems) []finding {
	list := make([]finding, 0, len(problems)) // an empty list is [], not null
	for _, p := range problems {
		list = append(list, finding{Line: p.Line, Key: p.Path, Message: p.Msg, Hint: p.Hint})
	}
	return list
}

// summary is a configuration in one line.
func summary(cfg *gateway.Config) string {
	nodes, cached, sources := 0, 0, 0
	for _, p := range cfg.Pools {
		nodes += len(p.Nodes)
		if d := p.Discover; d != nil {
			for _, source := range []string{d.DNS, d.SRV, d.File} {
				if source != "" {
					sources++
				}
			}
		}
	}
	for _, rt := range cfg.Routes {
		if rt.Cache.TTL > 0 {
			cached++
		}
	}
	s := fmt.Sprintf("%s to %s of %s", count(len(cfg.Routes), "route"), count(len(cfg.Pools), "pool"), count(nodes, "node"))
	if sources > 0 {
		s += " and those of " + count(sources, "source")
	}
	if cached > 0 {
		s += fmt.Sprintf(", %d cached", cached)
	}
	s += ", clients at " + cfg.Server.HTTP
	if cfg.Server.GRPC != "" {
		s += " and, over gRPC, " + cfg.Server.GRPC
	}
	if cfg.Server.Admin != "" {
		s += ", admin at " + cfg.Server.Admin
	}
	return s
}

// lookAtSources warns of sources of nodes that have no list.
func lookAtSources(ctx context.Context, file string, cfg *gateway.Config) (warnings conf.Problems) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Pools)) {
		d := cfg.Pools[name].Discover
		if d == nil {
			continue
		}
		for _, st := range discovery.Lookup(ctx, *d) {
			if st.Error == nil {
				continue
			}
			text := st.Source + ": " + st.Error.Error()
			if !st.Partial {
				text += "; until it has a list, it brings the pool no node"
			}
			warnings = append(warnings, conf.Problem{File: file, Path: "pools." + conf.Quote(name) + ".discover", Msg: text})
		}
	}
	return warnings
}

// namesPatience bounds the look at the names of all nodes: twice what a resolver waits for one server by default.
const namesPatience = 10 * time.Second

// lookAtNames warns of nodes whose names have no address.
func lookAtNames(ctx context.Context, file string, cfg *gateway.Config) (warnings conf.Problems) {
	ctx, cancel := context.WithTimeout(ctx, namesPatience)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(cfg.Pools)) {
		for i, n := range cfg.Pools[name].Nodes {
			host, _, err := hostport.Split(n.Address)
			if err != nil {
				continue // it was refused
			}
			if _, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
				if unknown, ok := errors.AsType[*net.DNSError](err); ok {
					err = errors.New(unknown.Err)
				}
				warnings = append(warnings, conf.Problem{
					File: file, Path: fmt.Sprintf("pools.%s.nodes[%d].address", conf.Quote(name), i),
					Msg: fmt.Sprintf("%q has no address (%v); until it has one, the node is down", host, err),
				})
			}
		}
	}
	return warnings
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
