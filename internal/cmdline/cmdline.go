// Package cmdline reads the command lines of programs that consist of commands, such as `gateway drain NODE --wait`. It owns
// how help is given and how a command line is refused; what a command does is not its business.
//
// Concurrency: a command line is read once, by one goroutine.
package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// ErrMisused marks a command line that is at fault. Its exit code is 2 by custom, and that of all other errors 1.
var ErrMisused = errors.New("the command line is at fault")

// misuse is such a fault, with the command that prints help.
type misuse struct {
	err  error
	help string
}

func (m *misuse) Error() string        { return m.err.Error() + ": see `" + m.help + "`" }
func (m *misuse) Unwrap() error        { return m.err }
func (m *misuse) Is(target error) bool { return target == ErrMisused }

// Misused is a command line that is at fault as err says; help is the command that says how it is meant. It is ErrMisused.
func Misused(err error, help string) error { return &misuse{err: err, help: help} }

// Command is a command of a program, with its flags.
type Command struct {
	*flag.FlagSet
	program, help string
}

// New is a command that has no flags yet: "gateway", "drain". Its help is printed when --help or -h is among its arguments.
func New(program, name, help string) *Command {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are returned, and help goes where answers go
	return &Command{FlagSet: flags, program: program, help: help}
}

// ReadFlags reads the command line of a command that takes flags and nothing else. See Read for what it returns.
func (c *Command) ReadFlags(args []string, stdout io.Writer) error {
	others, err := c.Read(args, stdout)
	if err == nil && len(others) > 0 {
		err = c.Misused("unexpected argument %q", others[0])
	}
	return err
}

// Read reads a command line and returns what is no flag. Flags may stand before and behind that, as people type them. The
// error is ErrMisused, or flag.ErrHelp once help has been printed to stdout; see UnlessHelp.
func (c *Command) Read(args []string, stdout io.Writer) (others []string, err error) {
	for {
		switch err := c.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			fmt.Fprint(stdout, c.help)
			return nil, err
		case err != nil:
			return nil, c.Misused("%w", err)
		case c.NArg() == 0:
			return others, nil
		}
		others, args = append(others, c.Arg(0)), c.Args()[1:]
	}
}

// Misused is what is wrong with the command's command line, after its name, with a hint at its help. It is ErrMisused.
func (c *Command) Misused(format string, args ...any) error {
	return Misused(fmt.Errorf(c.Name()+": "+format, args...), c.program+" "+c.Name()+" -h")
}

// UnlessHelp turns a request for help, which was granted, into success.
func UnlessHelp(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}
