// Package harness is what the programs that measure have in common: how they begin and end, the processes that they start,
// what they run on, and the file of their figures. It knows nothing of what they measure.
//
// Concurrency: functions without state, but for Process.
package harness

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Main is the whole main function of a program: run with the command line, until it is done or somebody interrupts it. An
// error is printed after the program's name, and the exit status is 1 then; a request for help, which the flag package has
// granted, is none.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// CheckNames refuses what a flag names and is not accepted.
func CheckNames(flag string, named, accepted []string) error {
	for _, name := range named {
		if !slices.Contains(accepted, name) {
			return fmt.Errorf("--%s %q: accepted are %s", flag, name, strings.Join(accepted, ", "))
		}
	}
	return nil
}

// WriteJSON writes figures to a file for programs to read, in place of what is there.
func WriteJSON(path string, figures any) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
