// Command codec measures what reading and writing messages costs in internal/oip, beside encoding/json doing the same with
// structs of the same members, and beside the goals the project has set itself. Everything is measured in turn in one run,
// round by round, so that a machine that slows down slows all alike.
//
// It owns its tasks and its figures and starts nothing: no server, no network, one goroutine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"ganglion/bench/harness"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "codec:", err)
		os.Exit(1)
	}
}

// run does one benchmark.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("codec", flag.ContinueOnError)
	rounds := flags.Int("rounds", 9, "how often everything is measured; an odd `number` has a middle")
	duration := flags.Duration("duration", 100*time.Millisecond, "how `long` one measurement takes, in CPU time and at least")
	only := flags.String("only", "", "measure those tasks only that have this `text` in their name")
	out := flags.String("json", "", "`file` for every single measurement")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || *duration < time.Millisecond {
		return errors.New("--rounds starts at 1, --duration at 1ms")
	}
	tasks, err := allTasks()
	if err != nil {
		return err
	}
	tasks = slices.DeleteFunc(tasks, func(t task) bool { return !strings.Contains(t.name, *only) })
	r := report{Machine: machineName(), Rounds: *rounds, Started: time.Now().UTC().Truncate(time.Second)}
	for _, t := range tasks {
		r.Results = append(r.Results, result{Task: t.name, Goal: t.goal.String(), goal: t.goal})
	}
	for range *rounds {
		for i := range tasks {
			if err := r.Results[i].measure(&tasks[i], *duration); err != nil {
				return fmt.Errorf("%s: %w", tasks[i].name, err)
			}
		}
	}
	if err := r.print(stdout); err != nil || *out == "" {
		return err
	}
	return harness.WriteJSON(*out, r)
}
