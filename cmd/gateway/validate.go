package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"ganglion/gateway"
	"ganglion/internal/conf"
)

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
func validate(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("validate", flag.ContinueOnError)
	file := flags.String("config", defaultConfig, "")
	asJSON := flags.Bool("json", false, "")
	if err := parse(flags, args, stdout); err != nil {
		return unlessHelp(err)
	}
	cfg, warnings, err := gateway.LoadConfig(*file)
	var problems conf.Problems
	if err != nil && !errors.As(err, &problems) {
		return err // the file could not be read
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
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	if err := out.Encode(rep); err != nil {
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
	nodes, cached := 0, 0
	for _, p := range cfg.Pools {
		nodes += len(p.Nodes)
	}
	for _, rt := range cfg.Routes {
		if rt.Cache.TTL > 0 {
			cached++
		}
	}
	s := fmt.Sprintf("%s to %s of %s", count(len(cfg.Routes), "route"), count(len(cfg.Pools), "pool"), count(nodes, "node"))
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

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// unlessHelp turns a request for help, which was granted, into success.
func unlessHelp(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}
