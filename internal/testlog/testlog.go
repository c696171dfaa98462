// Package testlog has a log that a test reads while the program under test writes it. It judges nothing, and no program
// imports it.
//
// Concurrency: everything may be called from any goroutine.
package testlog

import (
	"bytes"
	"strings"
	"sync"
)

// Log is an io.Writer that keeps what is written. The zero value is empty and ready. It must not be copied.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer. It does not fail.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all that has been written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Lines are the lines that are whole: one that is still without its end is left out.
func (l *Log) Lines() []string {
	text := l.String()
	end := strings.LastIndexByte(text, '\n')
	if end < 0 {
		return nil
	}
	return strings.Split(text[:end], "\n")
}
