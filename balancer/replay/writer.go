package replay

import (
	"encoding/json"
	"io"
)

// Writer writes the lines of a trace.
type Writer struct {
	to        *json.Encoder
	decisions uint64
}

// NewWriter writes the header, whose format it fills in.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Trace = format
	out := &Writer{to: json.NewEncoder(w)}
	return out, out.to.Encode(&h)
}

// Write writes the line of a decision.
func (w *Writer) Write(d *Decision) error {
	w.decisions++
	return w.to.Encode(d)
}

// Close writes the last line: after so many seconds, and with so many decisions dropped. It closes nothing else.
func (w *Writer) Close(seconds float64, dropped uint64) error {
	return w.to.Encode(&Footer{Done: true, Seconds: seconds, Decisions: w.decisions, Dropped: dropped})
}
