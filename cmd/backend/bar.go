package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// bar is a progress bar in the last line of a terminal; elsewhere it shows nothing.
type bar struct {
	w     io.Writer
	shown string
}

const (
	barWidth  = 30
	lineWidth = 78 // of the narrowest terminal in use, less its edge
)

func newBar(w io.Writer) *bar {
	file, ok := w.(*os.File)
	if !ok {
		return &bar{}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("TERM") == "dumb" {
		return &bar{}
	}
	return &bar{w: w}
}

// show draws the bar with what is being done.
func (b *bar) show(done, total int, what string) {
	if b.w == nil {
		return
	}
	line := barLine(done, total, what)
	if line != b.shown {
		fmt.Fprint(b.w, "\r"+line+strings.Repeat(" ", max(utf8.RuneCountInString(b.shown)-utf8.RuneCountInString(line), 0)))
		b.shown = line
	}
}

func barLine(done, total int, what string) string {
	full := 0
	if total > 0 {
		full = min(max(done*barWidth/total, 0), barWidth)
	}
	line := []rune("[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "] " + what)
	return string(line[:min(len(line), lineWidth)])
}

// clear takes the bar away.
func (b *bar) clear() {
	if b.w != nil && b.shown != "" {
		fmt.Fprint(b.w, "\r"+strings.Repeat(" ", utf8.RuneCountInString(b.shown))+"\r")
		b.shown = ""
	}
}
