package harness

import (
	"errors"
	"fmt"
	"os/exec"
)

// ErrNotInstalled is a program of others that is not there to be compared with.
var ErrNotInstalled = errors.New("not installed")

// FindProgram finds a program, also where Debian keeps its daemons. The error names the script that would install it.
func FindProgram(name, script string) (string, error) {
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s is %w: %s installs it", name, ErrNotInstalled, script)
}
