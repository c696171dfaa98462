package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// accessLog is where the access log goes; a nil Writer is nowhere.
type accessLog struct {
	io.Writer
	file *logFile // what has to be reopened and closed, if anything
}

func openAccessLog(where string, stdout, stderr io.Writer) (accessLog, error) {
	switch where {
	case "off":
		return accessLog{}, nil
	case "stdout":
		return accessLog{Writer: stdout}, nil
	case "stderr":
		return accessLog{Writer: stderr}, nil
	}
	f, err := openLogFile(where)
	if err != nil {
		return accessLog{}, fmt.Errorf("cannot open the access log (log.access): %w", err)
	}
	return accessLog{Writer: f, file: f}, nil
}

// Close closes the file, if it is one of ours.
func (l accessLog) Close() {
	if l.file != nil {
		l.file.close()
	}
}

// reopen is what SIGHUP asks for.
func (l accessLog) reopen(log *slog.Logger) {
	if l.file == nil {
		return
	}
	if err := l.file.reopen(); err != nil {
		log.Error("SIGHUP: cannot reopen the access log, the old file stays in use", "error", err)
		return
	}
	log.Info("SIGHUP: reopened the access log", "file", l.file.path)
}

// logFile is a file that is appended to and can be opened anew while it is. One write goes to one file as a whole.
type logFile struct {
	path string
	mu   sync.Mutex // held while writing, so that no file is closed under a write
	file *os.File   // guarded by mu
}

func openLogFile(path string) (*logFile, error) {
	f, err := appendTo(path)
	if err != nil {
		return nil, err
	}
	return &logFile{path: path, file: f}, nil
}

// appendTo gives a new file to its owner and those who read logs.
func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

// Write implements io.Writer.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// reopen opens the path again and goes on there. After an error it goes on where it was.
func (l *logFile) reopen() error {
	next, err := appendTo(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.file
	l.file = next
	l.mu.Unlock()
	return old.Close()
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.Close()
}
