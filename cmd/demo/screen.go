package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen is where the demo talks: steps with their time, and colour if it is a terminal.
type screen struct {
	colour bool
	began  time.Time

	mu  sync.Mutex
	out io.Writer // guarded by mu
}

func newScreen(out io.Writer) *screen {
	return &screen{out: out, colour: isTerminal(out), began: time.Now()}
}

// isTerminal reports whether out shows colours and its owner has not asked for none (no-color.org).
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// The SGR codes in use.
const (
	bold  = "1"
	dim   = "2"
	green = "32"
)

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// print writes lines, indented.
func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			line = "  " + line
		}
		fmt.Fprintln(s.out, line)
	}
}

// step writes one line of progress with the time since the start.
func (s *screen) step(text string) {
	s.print(s.paint(dim, fmt.Sprintf("%5.2f s", time.Since(s.began).Seconds())) + "  " + text)
}

// warnings shows what a process logs, if it is more than information.
type warnings struct {
	screen *screen
	all    bool
}

// Write gets one whole line at a time.
func (w warnings) Write(line []byte) (int, error) {
	if w.all || serious(line) {
		w.screen.print(w.screen.paint(dim, string(bytes.TrimRight(line, "\n"))))
	}
	return len(line), nil
}

// serious recognises both of slog's formats, and what is said without slog.
func serious(line []byte) bool {
	for _, mark := range []string{"level=WARN", "level=ERROR", `"level":"WARN"`, `"level":"ERROR"`, "] warning: ", "] panic: "} {
		if bytes.Contains(line, []byte(mark)) {
			return true
		}
	}
	return false
}
