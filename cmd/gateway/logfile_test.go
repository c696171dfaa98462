package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// However often the file is renamed and reopened while lines come, each line is in one of the files, whole.
func TestRotationLosesNoLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const written = 20000
	line := []byte("a line that is as good as any other\n")
	var group sync.WaitGroup
	group.Go(func() {
		for range written {
			if _, err := l.Write(line); err != nil {
				t.Error(err)
				return
			}
		}
	})
	files := []string{path}
	for i := range 20 {
		old := path + "." + string(rune('a'+i))
		if err := os.Rename(path, old); err != nil {
			t.Fatal(err)
		}
		if err := l.reopen(); err != nil {
			t.Fatal(err)
		}
		files = append(files, old)
	}
	group.Wait()
	l.close()
	got := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != bytes.Count(b, line)*len(line) {
			t.Errorf("%s holds broken lines", file)
		}
		got += bytes.Count(b, line)
	}
	if got != written {
		t.Errorf("%d lines are in the files, want %d", got, written)
	}
}

// What cannot be reopened stays in use.
func TestReopenThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := openLogFile(filepath.Join(dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := l.reopen(); err == nil {
		t.Error("reopened a file in a directory that is gone")
	}
	if _, err := l.Write([]byte("x\n")); err != nil {
		t.Errorf("the old file: %v", err)
	}
}
