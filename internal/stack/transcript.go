package stack

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

// What a transcript remembers: enough to see why a process failed, a stack trace included.
const (
	keptLines = 60
	longest   = 2000 // bytes of a line
)

// transcript takes down what a process writes: it passes lines on, whole and prefixed, and remembers the last ones.
type transcript struct {
	prefix string

	mu    sync.Mutex
	to    io.Writer // guarded by mu
	part  []byte    // of a line that is not complete yet
	lines []string
}

// Write never fails: a process must not be stopped by what becomes of its output.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte{'\n'})
		t.part = append(t.part, line[:min(len(line), longest-len(t.part))]...)
		if complete {
			t.end()
		}
		rest = after
	}
	return len(p), nil
}

// end completes the line.
func (t *transcript) end() {
	line := string(t.part)
	t.part = t.part[:0]
	if len(t.lines) == keptLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
	_, _ = io.WriteString(t.to, t.prefix+line+"\n")
}

// tail is what is remembered.
func (t *transcript) tail() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(slices.Clip(t.lines), string(t.part)), "\n")
}

// shared lets several transcripts write to one writer, line by line.
type shared struct {
	mu sync.Mutex
	to io.Writer // guarded by mu
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Write(p)
}
