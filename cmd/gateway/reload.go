package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"ganglion/gateway"
	"ganglion/internal/cmdline"
)

const reloadUsage = `gateway reload has a running gateway read again the file that it was started with.

usage: gateway reload [flags]

  --admin HOST:PORT   the gateway's admin port (default: server.admin of the file)
  --config FILE       the gateway's configuration (default gateway.toml); only server.admin is read here

Pools and routes change for new requests; what is under way goes on as it began. A file with problems changes nothing, and
the exit code is 1. [server], [log], [upstream] and [cache] take a restart.
`

// reload is `gateway reload`.
func reload(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var at adminFlags
	line := newCommand("reload", reloadUsage)
	at.register(line)
	if err := line.ReadFlags(args, stdout); err != nil {
		return cmdline.UnlessHelp(err)
	}
	o, err := at.operator()
	if err != nil {
		return err
	}
	defer o.close()
	var done gateway.Reloaded
	if err := o.ask(ctx, http.MethodPost, "/reload", nil, &done); err != nil {
		return err
	}
	for _, w := range done.Warnings {
		fmt.Fprintln(stderr, "warning: "+w)
	}
	fmt.Fprintln(stdout, reloaded(done))
	return nil
}

// reloaded is what a reload came to, in a line.
func reloaded(r gateway.Reloaded) string {
	var parts []string
	for _, kind := range []struct {
		word string
		gateway.Changes
	}{{"pool", r.Pools}, {"route", r.Routes}} {
		for _, change := range []struct {
			word  string
			names []string
		}{{"added", kind.Added}, {"removed", kind.Removed}, {"changed", kind.Changed}} {
			if len(change.names) > 0 {
				parts = append(parts, fmt.Sprintf("%s %s: %s", kind.word, change.word, strings.Join(change.names, ", ")))
			}
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "no pool and no route has changed")
	}
	if len(r.Restart) > 0 {
		parts = append(parts, "a restart is needed for ["+strings.Join(r.Restart, "], [")+"]")
	}
	return "reloaded; " + strings.Join(parts, "; ")
}
