package cmdline

import (
	"bytes"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
)

const help = "ferry takes goats across.\n"

// read reads a command line of `farm ferry [--slow] GOAT...`.
func read(line string) (slow bool, goats []string, stdout string, err error) {
	c := New("farm", "ferry", help)
	c.BoolVar(&slow, "slow", false, "")
	var out bytes.Buffer
	goats, err = c.Read(strings.Fields(line), &out)
	return slow, goats, out.String(), err
}

func TestFlagsStandAnywhere(t *testing.T) {
	for line, want := range map[string]struct {
		slow  bool
		goats []string
	}{
		"":                  {},
		"--slow":            {slow: true},
		"anna --slow":       {true, []string{"anna"}},
		"--slow anna bella": {true, []string{"anna", "bella"}},
		"anna -slow bella":  {true, []string{"anna", "bella"}},
		"- --slow":          {true, []string{"-"}}, // standard input, by custom
	} {
		slow, goats, stdout, err := read(line)
		if err != nil || slow != want.slow || !slices.Equal(goats, want.goats) || stdout != "" {
			t.Errorf("%q: slow %t, %q, printed %q, %v; want %+v", line, slow, goats, stdout, err, want)
		}
	}
}

func TestHelpIsPrintedOnceAndNoFailure(t *testing.T) {
	for _, line := range []string{"-h", "--help", "anna --help", "--slow -h bella"} {
		_, _, stdout, err := read(line)
		if stdout != help || !errors.Is(err, flag.ErrHelp) || UnlessHelp(err) != nil {
			t.Errorf("%q: printed %q, %v", line, stdout, err)
		}
	}
}

// TestARefusalNamesTheHelpOfItsCommand: who mistypes a flag is to be told where the right ones are.
func TestARefusalNamesTheHelpOfItsCommand(t *testing.T) {
	_, _, stdout, err := read("--fast anna")
	if want := "ferry: flag provided but not defined: -fast: see `farm ferry -h`"; err == nil || err.Error() != want || stdout != "" {
		t.Errorf("printed %q, %v; want %q", stdout, err, want)
	}
	if !errors.Is(err, ErrMisused) || UnlessHelp(err) == nil {
		t.Errorf("%v is no misuse", err)
	}
	err = New("farm", "ferry", help).ReadFlags([]string{"anna"}, nil)
	if want := "ferry: unexpected argument \"anna\": see `farm ferry -h`"; err == nil || err.Error() != want || !errors.Is(err, ErrMisused) {
		t.Errorf("%v; want %q", err, want)
	}
	why := errors.New("the boat is full")
	if err := New("farm", "ferry", help).Misused("%w", why); !errors.Is(err, why) {
		t.Errorf("%v does not wrap its reason", err)
	}
}
