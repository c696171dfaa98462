package harness

import (
	"bytes"
	"fmt"
	"os"
)

// marks are the lines of a document between which the figures of a program stand.
func marks(program string) (begin, end string) {
	return "<!-- " + program + ": begin -->", "<!-- " + program + ": end -->"
}

// WriteBetween puts text into a document, in place of what stands between the program's marks,
// "<!-- program: begin -->" and "<!-- program: end -->".
func WriteBetween(path, program, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := marks(program)
	head, rest, found := bytes.Cut(old, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s has no lines %q and %q for the tables to stand between", path, begin, end)
	}
	var b bytes.Buffer
	b.Write(head)
	fmt.Fprintf(&b, "%s\n\n%s\n%s", begin, text, end)
	b.Write(tail)
	return os.WriteFile(path, b.Bytes(), 0o644)
}
